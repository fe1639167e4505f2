import { beforeEach, describe, expect, it } from "vitest";
import { createMemoryLedger } from "../src/backend/memory/ledger.ts";
import { deliveriesOf } from "../src/deliveries.ts";
import { fold } from "../src/evaluator/fold.ts";
import { TocsinError } from "../src/lib/errors.ts";
import type { Delivery, Outcome } from "../src/model/decision.ts";
import type { Ledger } from "../src/ports.ts";
import { Folded } from "./helpers/folded.ts";
import { aNotification } from "./helpers/posts.ts";
import { anAlarm, control, notice } from "./helpers/rules.ts";

const ID = "msg_e6ffba58-fc74-53b5-9182-d85398bf5530";
const delivery = (own: Partial<Delivery> = {}): Delivery => ({
  id: ID,
  clusterId: "web",
  alarmId: "id-busy",
  alarmName: "busy",
  receiver: "ops",
  class: "notice",
  direction: "unknown",
  transition: 1,
  repeat: 0,
  createdAt: 1000,
  status: "dead",
  attempts: 2,
  reason: "no connection: ECONNREFUSED",
  notification: aNotification({ alarmId: "id-busy" }),
  ...own,
});

let ledger: Ledger;
let seq = 0;
beforeEach(() => {
  ledger = createMemoryLedger();
  seq = 0;
});

async function record(deliveries: readonly Delivery[], attempts: readonly Outcome[] = []): Promise<void> {
  seq++;
  const snapshot = { clusterId: "web", seq, doc: "{}" };
  await ledger.commit({ clusterId: "web", inputs: [], decisions: [], snapshot, deliveries, attempts, baselines: [] });
}

/** Alarm "busy", in alarm: transition 1, "ops" and "scaler" are being called. */
function cluster(): Folded {
  const actions = { ok: [], alarm: [control("scaler", "out"), notice("ops")], "insufficient data": [] };
  const folded = new Folded([anAlarm({ name: "busy", actions })]);
  folded.ticks(2, { sessions: 99 });
  return folded;
}

/** The real fold; what it changes is recorded. */
function service(folded?: Folded): ReturnType<typeof deliveriesOf> {
  return deliveriesOf({
    ledger,
    clusters: () => (folded ? [folded.cluster] : []),
    async command(clusterId, command) {
      if (!folded) throw new TocsinError("E403", `there is no cluster ${clusterId}`);
      await record(fold(folded.cluster, command).deliveries);
    },
  });
}

describe("what is listed", () => {
  it("what needs a person: ended without being delivered, and nothing follows", async () => {
    const statuses = [
      "waiting",
      "claimed",
      "delivered",
      "busy",
      "uncertain",
      "superseded",
      "expired",
      "rejected",
      "dead",
      "dropped",
      "shadow",
    ] as const;
    await record(statuses.map((status, n) => delivery({ id: `msg_${n}`, status, createdAt: n })));
    const listed = await service().deliveries({ limit: 20, attention: true });
    expect(listed.map(({ status }) => status)).toEqual(["dead", "rejected", "expired", "uncertain"]);
    expect(listed.every(({ attention }) => attention)).toBe(true);
    const all = await service().deliveries({ limit: 20, clusterId: "web" });
    expect(all.map(({ status }) => status)).toEqual([...statuses].reverse());
    expect(all.filter(({ attention }) => attention)).toHaveLength(4);
    expect(await service().deliveries({ limit: 20, clusterId: "other" })).toEqual([]);
  });
});

describe("one delivery", () => {
  const attempt: Outcome = { kind: "outcome", deliveryId: ID, attempt: 1, outcome: "not_run", reason: "refused" };

  it("comes with its attempts", async () => {
    const detail = { startedAt: 0, waitMs: 1, connectMs: 2, firstByteMs: 3, totalMs: 4, answer: "no", requestId: "r" };
    await record([delivery()], [attempt, { ...attempt, attempt: 2, outcome: "rejected", status: 404, detail }]);
    const times = { wait_ms: null, connect_ms: null, first_byte_ms: null, total_ms: null };
    expect(await service().delivery(ID)).toMatchObject({
      delivery_id: ID,
      attention: true,
      notification: delivery().notification,
      attempt_list: [
        { attempt: 1, outcome: "not_run", status: null, started_at: null, ...times, answer: null, request_id: null },
        {
          attempt: 2,
          outcome: "rejected",
          status: 404,
          started_at: "1970-01-01T00:00:00.000Z",
          wait_ms: 1,
          connect_ms: 2,
          first_byte_ms: 3,
          total_ms: 4,
          answer: "no",
          request_id: "r",
        },
      ],
    });
  });

  it.each(["msg_e6ffba58", "e6ffba58", "E6FFBA58-fc", ID])("is found by %s", async (id) => {
    await record([delivery(), delivery({ id: "msg_e6ffba59-0000" })]);
    expect((await service().delivery(id))?.delivery_id).toBe(ID);
  });

  it.each(["msg_e6ffba5", "e6ffba5", "msg_", "", "%", "e6ffba60", `${ID}0`])("is not found by %j", async (id) => {
    await record([delivery()]);
    expect(await service().delivery(id)).toBeUndefined();
    await expect(service().deliver(id, "drop")).rejects.toMatchObject({ code: "E406" });
  });

  it("several that begin so are none of them", async () => {
    await record([delivery(), delivery({ id: "msg_e6ffba58-0000" })]);
    await expect(service().delivery("msg_e6ffba58")).rejects.toMatchObject({
      code: "E406",
      message: "several deliveries begin with msg_e6ffba58: write more of the id",
    });
  });
});

describe("retry and drop", () => {
  it("a notice that was given up goes again, under its id", async () => {
    const folded = cluster();
    folded.outcome("rejected", { receiver: "ops" });
    await record([delivery({ status: "rejected" })]);
    expect(await service(folded).deliver("msg_e6ffba58", "retry")).toMatchObject({
      delivery_id: ID,
      status: "claimed",
    });
    expect(await service(folded).delivery(ID)).toMatchObject({ status: "claimed", attention: false });
    await expect(service(folded).deliver(ID, "retry")).rejects.toMatchObject({
      code: "E407",
      message: expect.stringMatching(/^delivery msg_e6ffba58-.* to ops is not made again: an attempt is under way/),
    });
  });

  it("what nobody waits for any more needs nobody", async () => {
    const folded = cluster();
    await record([delivery({ status: "uncertain" })]);
    expect(await service(folded).deliver(ID, "drop")).toMatchObject({ status: "dropped", attention: false });
    expect(await service(folded).deliveries({ limit: 10, attention: true })).toEqual([]);
    await expect(service(folded).deliver(ID, "drop")).rejects.toMatchObject({
      code: "E407",
      message: expect.stringContaining("is not dropped: it is dropped already"),
    });
  });

  it.each(["delivered", "shadow"] as const)("one that is %s is left as it is", async (status) => {
    const folded = cluster();
    await record([delivery({ status })]);
    for (const what of ["retry", "drop"] as const) {
      await expect(service(folded).deliver(ID, what)).rejects.toMatchObject({ code: "E407" });
    }
    expect(await service(folded).delivery(ID)).toMatchObject({ status });
  });

  it("an action is made again only where its alarm still asks for it", async () => {
    const folded = cluster();
    const sent = [...folded.cluster.deliveries.values()].find(({ receiver }) => receiver === "scaler");
    if (!sent) throw new Error("nothing was sent");
    folded.outcome("rejected", { receiver: "scaler" });
    await record([{ ...sent, status: "rejected" }]);
    // It is owed again under a new id: this one is over.
    expect(await service(folded).deliver(sent.id, "retry")).toMatchObject({
      status: "superseded",
      reason: expect.stringMatching(/^made again by a person; it had ended rejected/),
      attention: false,
      attempts: 1,
    });
    const all = await service(folded).deliveries({ limit: 10 });
    expect(all.map(({ receiver, status, repeat }) => [receiver, status, repeat])).toContainEqual([
      "scaler",
      "claimed",
      1,
    ]);
    folded.ticks(3, { sessions: 0 });
    await expect(service(folded).deliver(sent.id, "retry")).rejects.toMatchObject({
      code: "E407",
      message: expect.stringContaining("alarm busy is at 2, ok"),
    });
  });

  describe("is refused where the cluster changed before it came", () => {
    /** `first` happens when the command is on its way. */
    const late = (folded: Folded, first: () => Promise<void> | void) =>
      deliveriesOf({
        ledger,
        clusters: () => [folded.cluster],
        async command(_, command) {
          await first();
          await record(fold(folded.cluster, command).deliveries);
        },
      });
    const ofCluster = (folded: Folded) => late(folded, () => {});
    const ended = async (folded: Folded, receiver: string) => {
      const sent = [...folded.cluster.deliveries.values()].find((one) => one.receiver === receiver);
      if (!sent) throw new Error("nothing was sent");
      folded.outcome("rejected", { receiver });
      await record([{ ...sent, status: "rejected", attempts: 1, reason: "the receiver answered 404" }]);
      return sent.id;
    };

    it("retry of an action whose alarm is over", async () => {
      const folded = cluster();
      const id = await ended(folded, "scaler");
      const service = late(folded, () => void folded.ticks(3, { sessions: 0 }));
      await expect(service.deliver(id, "retry")).rejects.toMatchObject({
        code: "E407",
        message: expect.stringMatching(/is not made again: .*alarm busy is at 2, ok/),
      });
    });

    it("retry of an action that somebody else has made again is one retry", async () => {
      const folded = cluster();
      const id = await ended(folded, "scaler");
      const service = late(folded, async () => void (await ofCluster(folded).deliver(id, "retry")));
      await service.deliver(id, "retry").catch(() => {});
      const all = await service.deliveries({ limit: 10 });
      expect(
        all
          .filter(({ receiver }) => receiver === "scaler")
          .map(({ status }) => status)
          .sort(),
      ).toEqual(["claimed", "superseded"]);
    });

    it("drop of a notice that somebody else has sent again", async () => {
      const folded = cluster();
      const id = await ended(folded, "ops");
      const retried = late(folded, async () => void (await ofCluster(folded).deliver(id, "retry")));
      await expect(retried.deliver(id, "drop")).rejects.toMatchObject({
        code: "E407",
        message: expect.stringContaining("is not dropped: an attempt is under way"),
      });
    });
  });

  it("of a cluster that is gone", async () => {
    await record([delivery()]);
    await expect(service().deliver(ID, "retry")).rejects.toMatchObject({ code: "E403" });
  });
});
