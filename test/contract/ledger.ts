import { describe, expect, it } from "vitest";
import type { Decision, Delivery } from "../../src/model/decision.ts";
import type { AttemptRow, Commit, DeliveryQuery, Ledger } from "../../src/ports.ts";
import { anAlarm, theRules } from "../helpers/rules.ts";

const delivery = (id: string, fields: Partial<Delivery> = {}): Delivery => ({
  id,
  clusterId: "web",
  alarmId: "a",
  alarmName: "busy",
  receiver: "ops",
  class: "notice",
  direction: "unknown",
  transition: 1,
  repeat: 0,
  createdAt: 1000,
  status: "claimed",
  attempts: 1,
  reason: "",
  notification: {
    alarmName: "busy",
    alarmId: "a",
    severity: "low",
    previous: "ok",
    current: "alarm",
    reason: "Transition to alarm",
    reasonData: { type: "threshold", disposition: "outside", count: 1, mostRecent: 9.5 },
  },
  ...fields,
});

const release = (reason: string): Decision => ({ d: "release", at: 1, alarmId: "a", reason });

function aCommit(seq: number, fields: Partial<Commit> = {}): Commit {
  return {
    clusterId: "web",
    inputs: [{ seq, input: { kind: "start", number: seq, at: seq, intervalMs: 1000 } }],
    decisions: [],
    snapshot: { clusterId: "web", seq, doc: `{"seq":${seq}}` },
    deliveries: [],
    attempts: [],
    baselines: [],
    ...fields,
  };
}

const tick = (seq: number, number: number) => ({
  seq,
  input: { kind: "tick", number, at: 0, values: { x: 0.1 }, sources: [], members: [] } as const,
});

/** What every Ledger does. */
export function ledgerContract(
  name: string,
  create: () => Promise<{ readonly ledger: Ledger } & AsyncDisposable>,
): void {
  describe(`Ledger: ${name}`, () => {
    it("loads the newest snapshot and rules of each cluster", async () => {
      await using opened = await create();
      const { ledger } = opened;
      const rules = theRules([anAlarm({ name: "busy" })]);
      await ledger.commit(aCommit(1, { inputs: [{ seq: 1, input: { kind: "command", command: "rules", rules } }] }));
      await ledger.commit(
        aCommit(2, { inputs: [{ seq: 2, input: { kind: "command", command: "forget", source: "s" } }] }),
      );
      const [cluster, ...others] = await ledger.load();
      expect(others).toEqual([]);
      expect(cluster?.snapshot).toEqual({ clusterId: "web", seq: 2, doc: '{"seq":2}' });
      expect(JSON.stringify(cluster?.rules)).toBe(JSON.stringify(rules));
    });

    it("keeps inputs and decisions in order, and gives ticks above a number", async () => {
      await using opened = await create();
      const { ledger } = opened;
      await ledger.commit(
        aCommit(2, { inputs: [tick(1, 10), tick(2, 11)], decisions: [release("one"), release("two")] }),
      );
      await ledger.commit(aCommit(3, { decisions: [release("three")] }));
      expect((await ledger.inputs("web")).map(({ seq, input }) => [seq, input.kind])).toEqual([
        [1, "tick"],
        [2, "tick"],
        [3, "start"],
      ]);
      expect(await ledger.ticks("web", 10)).toEqual([tick(2, 11)]);
      expect(await ledger.decisionLog("web")).toEqual(
        ["one", "two", "three"].map((reason) => JSON.stringify(release(reason))),
      );
    });

    it("gives inputs of a stretch, and the oldest of many ticks", async () => {
      await using opened = await create();
      const { ledger } = opened;
      await ledger.commit(aCommit(3, { inputs: [tick(1, 10), tick(2, 11), tick(3, 15)] }));
      await ledger.commit(aCommit(4));
      expect((await ledger.inputs("web", 1, 3)).map(({ seq }) => seq)).toEqual([2, 3]);
      expect((await ledger.inputs("web", 3)).map(({ seq }) => seq)).toEqual([4]);
      expect(await ledger.ticks("web", 10, 1)).toEqual([tick(2, 11)]);
      expect(await ledger.ticks("web", -Infinity, 2)).toEqual([tick(1, 10), tick(2, 11)]);
    });

    it("keeps checkpoints: the newest by label and seq", async () => {
      await using opened = await create();
      const { ledger } = opened;
      const checkpoint = (seq: number, at: number) => ({
        clusterId: "web",
        seq,
        number: seq * 10,
        at,
        doc: `at ${at}\n{}`,
      });
      await ledger.commit(aCommit(1, { checkpoint: checkpoint(1, 1000) }));
      await ledger.commit(aCommit(2));
      await ledger.commit(aCommit(3, { checkpoint: checkpoint(3, 3000) }));
      expect(await ledger.checkpoint("web", Infinity, Infinity)).toEqual(checkpoint(3, 3000));
      expect(await ledger.checkpoint("web", 3000, Infinity)).toEqual(checkpoint(3, 3000));
      expect(await ledger.checkpoint("web", 2999, Infinity)).toEqual(checkpoint(1, 1000));
      expect(await ledger.checkpoint("web", 3000, 3)).toEqual(checkpoint(1, 1000));
      expect(await ledger.checkpoint("web", 999, Infinity)).toBeUndefined();
      expect(await ledger.checkpoint("other", Infinity, Infinity)).toBeUndefined();
    });

    it("knows the rules that were in force", async () => {
      await using opened = await create();
      const { ledger } = opened;
      const revision = (name: string) => theRules([anAlarm({ name })]);
      const command = (name: string) => ({ kind: "command", command: "rules", rules: revision(name) }) as const;
      await ledger.commit(aCommit(2, { inputs: [{ seq: 2, input: command("old") }] }));
      await ledger.commit(aCommit(4, { inputs: [{ seq: 4, input: command("new") }] }));
      const nameAt = async (seq: number) => (await ledger.rulesAt("web", seq))?.alarms[0]?.name;
      expect([await nameAt(1), await nameAt(2), await nameAt(3), await nameAt(4), await nameAt(Infinity)]).toEqual([
        undefined,
        "old",
        "old",
        "new",
        "new",
      ]);
    });

    it("gives the decisions about an alarm, its deliveries' too, newest first", async () => {
      await using opened = await create();
      const { ledger } = opened;
      const { notification } = delivery("d1");
      const common = { receiver: "ops", class: "notice", direction: "unknown", transition: 1, repeat: 0 } as const;
      const send: Decision = { d: "send", at: 2, delivery: "d1", attempt: 1, ...common, notification };
      const ended = (of: string): Decision => ({ d: "end", at: 3, delivery: of, end: "delivered", reason: "" });
      const about = (alarmId: string): Decision => ({ d: "release", at: 1, alarmId, reason: "" });
      await ledger.commit(aCommit(1, { decisions: [about("a"), about("b"), send], deliveries: [delivery("d1")] }));
      await ledger.commit(aCommit(2, { decisions: [{ d: "source", at: 2, source: "s", reason: "" }, ended("d1")] }));
      await ledger.commit(aCommit(3, { decisions: [ended("d2")], deliveries: [delivery("d2", { alarmId: "b" })] }));
      expect(await ledger.decisions("web", { alarmId: "a", limit: 10 })).toEqual([ended("d1"), send, about("a")]);
      expect(await ledger.decisions("web", { alarmId: "a", limit: 10, upToSeq: 1 })).toEqual([send, about("a")]);
      expect(await ledger.decisions("web", { alarmId: "b", limit: 1 })).toEqual([ended("d2")]);
      expect(await ledger.decisions("other", { alarmId: "a", limit: 1 })).toEqual([]);
    });

    it("a tick that an earlier commit brought along may come again", async () => {
      await using opened = await create();
      const { ledger } = opened;
      await ledger.commit(aCommit(2, { inputs: [tick(1, 10), tick(2, 11)] }));
      await ledger.commit(aCommit(3, { inputs: [tick(2, 11), tick(3, 12)] }));
      expect(await ledger.inputs("web")).toHaveLength(3);
    });

    it("keeps the newest of each delivery, newest first, of one cluster or all", async () => {
      await using opened = await create();
      const { ledger } = opened;
      await ledger.commit(aCommit(1, { deliveries: [delivery("d1"), delivery("d2", { createdAt: 2000 })] }));
      await ledger.commit(aCommit(2, { deliveries: [delivery("d1", { status: "delivered", reason: "202" })] }));
      const other = { clusterId: "other", snapshot: { clusterId: "other", seq: 1, doc: "{}" } };
      await ledger.commit(
        aCommit(1, { ...other, deliveries: [delivery("d3", { clusterId: "other", createdAt: 3000 })] }),
      );
      expect((await ledger.deliveries({ limit: 10 })).map(({ id, status }) => [id, status])).toEqual([
        ["d3", "claimed"],
        ["d2", "claimed"],
        ["d1", "delivered"],
      ]);
      expect((await ledger.deliveries({ clusterId: "web", limit: 1 })).map(({ id }) => id)).toEqual(["d2"]);
    });

    it("gives the deliveries that stand in some way, and those whose id begins so", async () => {
      await using opened = await create();
      const { ledger } = opened;
      const of = (id: string, status: Delivery["status"], createdAt: number, clusterId = "web") =>
        delivery(id, { status, createdAt, clusterId });
      const others = [of("ma2", "dead", 5, "other"), of("mb", "waiting", 6, "other")];
      await ledger.commit(
        aCommit(1, { deliveries: [of("ma1", "rejected", 1), of("ma3", "delivered", 3), of("mc", "dead", 4)] }),
      );
      await ledger.commit({ ...aCommit(1, { deliveries: others }), clusterId: "other" });
      const ids = async (query: Partial<DeliveryQuery>) =>
        (await ledger.deliveries({ limit: 10, ...query })).map(({ id }) => id);
      expect(await ids({ statuses: ["rejected", "dead"] })).toEqual(["ma2", "mc", "ma1"]);
      expect(await ids({ statuses: ["rejected", "dead"], limit: 2 })).toEqual(["ma2", "mc"]);
      expect(await ids({ statuses: ["rejected", "dead"], clusterId: "web" })).toEqual(["mc", "ma1"]);
      expect(await ids({ statuses: [] })).toEqual([]);
      expect(await ids({ idPrefix: "ma" })).toEqual(["ma2", "ma3", "ma1"]);
      expect(await ids({ idPrefix: "ma", statuses: ["delivered"] })).toEqual(["ma3"]);
      expect(await ids({ idPrefix: "m%" })).toEqual([]);
      expect(await ids({ idPrefix: "" })).toHaveLength(5);
    });

    it("gives a delivery with its attempts, the first one first, each as it was last told", async () => {
      await using opened = await create();
      const { ledger } = opened;
      const attempt = (number: number, own: Partial<AttemptRow> = {}): AttemptRow => ({
        kind: "outcome",
        deliveryId: "d1",
        attempt: number,
        outcome: "not_run",
        reason: "no connection: ECONNREFUSED",
        ...own,
      });
      const detail = { startedAt: 1, waitMs: 0.5, connectMs: 1.5, firstByteMs: 2, totalMs: 2.5, answer: "\u0000é" };
      const told = attempt(2, { outcome: "accepted", status: 202, reason: "202", detail });
      await ledger.commit(aCommit(1, { deliveries: [delivery("d1"), delivery("d2")], attempts: [attempt(10)] }));
      await ledger.commit(aCommit(2, { attempts: [attempt(2), attempt(1)] }));
      await ledger.commit(aCommit(3, { attempts: [told], deliveries: [delivery("d1", { status: "delivered" })] }));
      expect(await ledger.delivery("d1")).toEqual({
        delivery: delivery("d1", { status: "delivered" }),
        attempts: [attempt(1), told, attempt(10)],
      });
      expect(await ledger.delivery("d2")).toEqual({ delivery: delivery("d2"), attempts: [] });
      expect(await ledger.delivery("d")).toBeUndefined();
    });

    it("keeps the newest raw counters, whatever order they come in", async () => {
      await using opened = await create();
      const { ledger } = opened;
      const process = { pid: 1, uptimeS: 1, startTimeS: undefined, version: "2.6" };
      const baseline = (seq: number) => ({
        clusterId: "web",
        source: "s",
        seq,
        baseline: { process, at: seq, open: false, rows: "" },
      });
      await ledger.commit(aCommit(2, { baselines: [baseline(2)] }));
      await ledger.commit(aCommit(3, { baselines: [baseline(1)] }));
      expect((await ledger.baselines()).map(({ seq, baseline: kept }) => [seq, kept.at])).toEqual([[2, 2]]);
    });

    it("many commits at once are all kept", async () => {
      await using opened = await create();
      const { ledger } = opened;
      await Promise.all(
        Array.from({ length: 200 }, (_, n) => ledger.commit(aCommit(n + 1, { decisions: [release(String(n))] }))),
      );
      expect(await ledger.decisionLog("web")).toHaveLength(200);
      expect((await ledger.load())[0]?.snapshot.seq).toBe(200);
    });

    it("forgets what came before the newest checkpoint of an age, but for what is needed", async () => {
      await using opened = await create();
      const { ledger } = opened;
      const rules = theRules([anAlarm({ name: "busy" })]);
      const process = { pid: 1, uptimeS: 1, startTimeS: undefined, version: "2.6" };
      const baseline = (source: string, at: number) => ({
        clusterId: "web",
        source,
        seq: at,
        baseline: { process, at, open: false, rows: "" },
      });
      const doc = '{"intervalMs":10000,"series":{"capacity":4,"from":0}}\n[]';
      const checkpoint = (seq: number, at: number) => ({ clusterId: "web", seq, number: seq * 100, at, doc });
      const attempt: AttemptRow = { kind: "outcome", deliveryId: "d1", attempt: 1, outcome: "accepted", reason: "" };
      const ended = (id: string): Decision => ({ d: "end", at: 3, delivery: id, end: "delivered", reason: "" });
      await ledger.commit(aCommit(1, { inputs: [{ seq: 1, input: { kind: "command", command: "rules", rules } }] }));
      await ledger.commit(
        aCommit(2, {
          deliveries: [delivery("d1", { status: "delivered" }), delivery("d2"), delivery("d3", { status: "dead" })],
          attempts: [attempt],
          decisions: [release("old"), ended("d1")],
          baselines: [baseline("gone", 1), baseline("s", 5000)],
        }),
      );
      await ledger.commit(aCommit(4, { inputs: [tick(3, 10), tick(4, 350)], checkpoint: checkpoint(4, 4000) }));
      await ledger.commit(aCommit(5, { decisions: [release("new"), ended("d3")], checkpoint: checkpoint(5, 5000) }));
      const trim = async (before: number) => {
        for (let slice = 0; slice < 100; slice++) if (!(await ledger.trim(before)).more) return;
        throw new Error("forgetting does not end");
      };
      await trim(4000);
      expect((await ledger.inputs("web")).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
      await trim(4001);
      // The rules in force, and the ticks that windows are filled from.
      expect((await ledger.inputs("web")).map(({ seq }) => seq)).toEqual([1, 4, 5]);
      expect((await ledger.rulesAt("web", 4))?.alarms).toHaveLength(1);
      expect(await ledger.decisionLog("web")).toEqual([release("new"), ended("d3")].map((one) => JSON.stringify(one)));
      expect(await ledger.delivery("d1")).toBeUndefined();
      expect((await ledger.deliveries({ limit: 9 })).map(({ id }) => id)).toEqual(["d2", "d3"]);
      expect((await ledger.decisions("web", { alarmId: "a", limit: 9 })).map(({ d }) => d)).toEqual(["end", "release"]);
      expect((await ledger.baselines()).map(({ source }) => source)).toEqual(["s"]);
      expect(await ledger.checkpoint("web", 4999, Infinity)).toEqual(checkpoint(4, 4000));
      await trim(Infinity);
      expect((await ledger.inputs("web")).map(({ seq }) => seq)).toEqual([1]);
      expect(await ledger.checkpoint("web", 4999, Infinity)).toBeUndefined();
      expect((await ledger.deliveries({ limit: 9 })).map(({ id }) => id)).toEqual(["d2"]);
      expect((await ledger.load())[0]?.snapshot.seq).toBe(5);
    });
  });
}
