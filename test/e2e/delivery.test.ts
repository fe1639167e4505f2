/** What becomes of deliveries and what a person does about them: the real service, HAProxy, receivers and Keystone. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AlarmView, DeliveryDetail, DeliveryView } from "../../src/serviceView.ts";
import { command } from "../helpers/cli.ts";
import type { Installation } from "../helpers/deliveryPlant.ts";
import { SECRETS, startInstallation, THRESHOLD, TOKEN } from "../helpers/deliveryPlant.ts";
import { getJson } from "../helpers/service.ts";
import { eventually } from "../helpers/sockets.ts";

let plant: Installation;
beforeAll(async () => {
  plant = await startInstallation();
});
afterAll(() => plant[Symbol.asyncDispose]());

const run = (...args: string[]) => command(args, { cwd: plant.folder, env: { TOCSIN_URL: plant.service.url } });
const jsonOf = async <T>(...args: string[]) => JSON.parse((await run(...args, "-o", "json")).out) as T;
const show = (id: string) => jsonOf<DeliveryDetail>("delivery", "show", id);

/** The newest delivery to a receiver, once it stands so. */
const deliveryTo = (receiver: string, status: string) =>
  eventually(`${receiver} ${status}`, async () => {
    const all = await getJson<DeliveryView[]>(plant.service, "/api/v1/deliveries");
    return all.find((one) => one.receiver === receiver && one.status === status);
  });

function expectNoSecret(...texts: readonly string[]): void {
  for (const text of texts) for (const secret of [...Object.values(SECRETS), TOKEN]) expect(text).not.toContain(secret);
}

describe("a person and deliveries", () => {
  it("a rejected notice is told first, shown with its attempt, and goes again under its id when it is mended", async () => {
    const { delivery_id: id } = await deliveryTo("gone", "rejected");
    const short = id.slice(0, 12);
    await deliveryTo("scale_out", "delivered");
    const listed = (await run("delivery", "list")).out;
    const [title, , ...rows] = listed.split("\n");
    expect(title).toMatch(/^NEEDS A PERSON \(\d\): tocsin delivery show, retry or drop ID/);
    const urgent = rows.slice(0, rows.indexOf(""));
    expect(urgent.join("\n")).toMatch(
      new RegExp(`${short} +\\S+ ago +web +busy +gone +alarm +rejected +1 +the receiver answered 404`),
    );
    expect(rows.slice(rows.indexOf("")).join("\n")).toMatch(/scale_out +alarm +delivered/);

    const shown = await run("delivery", "show", short);
    expect(shown.out).toMatch(/\nstatus +rejected: it needs a person\nreason +the receiver answered 404\nnext +mend /);
    expect(shown.out).toMatch(/\nattempt 1 {2}\S+Z {2}rejected \(404\): the receiver answered 404\n/);
    expect(shown.out).toMatch(/\n {2}waited \S+ ms, connected in \S+ ms, first byte \S+ ms later, \S+ ms in all\n/);
    expect(shown.out).toContain("\n    no such page: ***\n");
    const [attempt] = (await show(id)).attempt_list;
    expect(attempt).toMatchObject({ attempt: 1, outcome: "rejected", status: 404 });
    expect(Buffer.byteLength(attempt?.answer ?? "")).toBeLessThanOrEqual(2048);
    expect(attempt?.answer).toContain("x".repeat(1900));

    const path = `/gone/${SECRETS.path}`;
    plant.receivers.statuses.set(path, 202);
    const retried = await run("delivery", "retry", short);
    expect([retried.code, retried.out]).toEqual([0, expect.stringContaining("again")]);
    await deliveryTo("gone", "delivered");
    expect(plant.receivers.at(path).map(({ headers }) => headers["webhook-id"])).toEqual([id, id]);
    expect(plant.receivers.at(path)[0]?.headers.authorization).toBe(`Bearer ${SECRETS.bearer}`);
    expect(await show(id)).toMatchObject({ status: "delivered", attention: false, attempts: 2 });
    const again = await run("delivery", "retry", short);
    expect([again.code, again.err]).toEqual([5, expect.stringMatching(/is not made again: it was delivered \[E407\]/)]);
    expectNoSecret(listed, shown.out, JSON.stringify(await show(id)));
  });

  it("what is dropped needs nobody any more", async () => {
    const { delivery_id: id } = await deliveryTo("unwanted", "rejected");
    const needing = async () =>
      (await jsonOf<DeliveryView[]>("delivery", "list", "--attention")).map(({ delivery_id: one }) => one);
    expect(await needing()).toContain(id);
    const dropped = await run("delivery", "drop", id);
    expect([dropped.code, dropped.out]).toEqual([0, expect.stringContaining("needs nobody any more")]);
    expect(await needing()).not.toContain(id);
    expect(await show(id)).toMatchObject({
      status: "dropped",
      attention: false,
      reason: "dropped by a person; it had ended rejected: the receiver answered 400",
    });
    expect((await run("delivery", "drop", id)).err).toContain("it is dropped already [E407]");
    expect(plant.receivers.at("/unwanted")).toHaveLength(1);
  });

  it("an action for a state that is over is not made again", async () => {
    await eventually(
      "an ear",
      async () => (await run("event", "send", "job.stuck")).out.endsWith("heard by 1 cluster\n") || undefined,
    );
    const { delivery_id: id } = await deliveryTo("heal", "rejected");
    await eventually("the alarm to be ok again", async () =>
      (await getJson<AlarmView>(plant.service, "/api/v1/alarms/stuck")).state === "ok" ? true : undefined,
    );
    const refused = await run("delivery", "retry", id);
    expect([refused.code, refused.out]).toEqual([5, ""]);
    expect(refused.err).toMatch(
      /is not made again: it was for transition 1 to alarm, and alarm stuck is at 2, ok \[E407\]\n$/,
    );
    expect(plant.receivers.at("/heal")).toHaveLength(1);
  });

  it("ids that nobody has are refused", async () => {
    const unknown = await run("delivery", "show", "deadbeef");
    expect([unknown.code, unknown.err]).toEqual([
      5,
      'tocsin: there is no delivery deadbeef: "tocsin delivery list" has them [E406]\n',
    ]);
    expect((await run("delivery", "retry", "deadbeef")).code).toBe(5);
    expect((await run("delivery", "list", "--limit", "0")).code).toBe(2);
  });
});

describe("a test of a receiver", () => {
  it("says what it would get, and sends nothing", async () => {
    const { code, out } = await run("receiver", "test", "chat");
    expect(code).toBe(0);
    expect(out).toContain(`POST ${plant.url}/…\n`);
    expect(out).toMatch(/\ntocsin-test: true\n/);
    expect(out).toContain('{"text":"tocsin test is ok","value":null,"auth":"***"}');
    expect(out).toMatch(
      /\naddresses {2}127\.0\.0\.1\nproblem {4}none\nsent {7}no: --send sends it, marked as a test\n$/,
    );
    expectNoSecret(out, (await run("receiver", "test", "gone")).out, (await run("receiver", "list")).out);
    expect(plant.receivers.at("/chat").filter(({ headers }) => "tocsin-test" in headers)).toEqual([]);
  });

  it("is marked when it is sent; a receiver that scales needs a yes, and a lane that is idle", async () => {
    const alone = await run("receiver", "test", "idle_scaler", "--send");
    expect([alone.code, alone.err]).toEqual([2, expect.stringContaining("say --yes")]);
    expect(plant.receivers.at("/idle_scaler")).toEqual([]);
    const { code, out } = await eventually("an idle lane", async () => {
      const ended = await run("receiver", "test", "idle_scaler", "--send", "--yes");
      return ended.err.includes("E409") ? undefined : ended;
    });
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/sent +accepted in .*: the receiver answered 202\n {2}its answer\n {4}queued/),
    ]);
    const [got] = plant.receivers.at("/idle_scaler");
    expect(got?.headers["tocsin-test"]).toBe("true");
    expect(JSON.parse(got?.body ?? "")).toMatchObject({ alarm_name: "tocsin test", previous: "ok", current: "ok" });

    await deliveryTo("scale_out", "delivered");
    const busy = await run("receiver", "test", "scale_out", "--send", "--yes");
    expect([busy.code, busy.err]).toEqual([5, expect.stringMatching(/own scaling is settling \(out\): .* \[E409\]/)]);
    const ledger = await getJson<DeliveryView[]>(plant.service, "/api/v1/deliveries");
    expect(ledger.filter((one) => one.receiver === "idle_scaler")).toEqual([]);
  });

  it("is refused in shadow", async () => {
    const shy = await run("receiver", "test", "shy", "--send", "--yes");
    expect([shy.code, shy.err]).toEqual([
      5,
      expect.stringContaining("it is in shadow mode, where nothing is sent [E409]"),
    ]);
    expect(plant.receivers.at("/shy")).toEqual([]);
  });

  it("ends with 1 where the receiver does not accept it; one that is not there is named", async () => {
    const rejected = await run("receiver", "test", "refusing", "--send");
    expect([rejected.code, rejected.out]).toEqual([
      1,
      expect.stringMatching(/\nsent +rejected in .*: the receiver answered 400\n/),
    ]);
    const nobody = await run("receiver", "test", "chatt");
    expect([nobody.code, nobody.err]).toEqual([5, 'tocsin: there is no receiver chatt: did you mean "chat"? [E408]\n']);
  });

  it("keep_alive: one connection for all requests", async () => {
    for (const _ of [1, 2, 3]) expect((await run("receiver", "test", "kept", "--send")).code).toBe(0);
    expect([plant.keeping.at("/kept").length, plant.keeping.connections.size]).toEqual([3, 1]);
    expect(plant.keeping.at("/kept")[0]?.headers.connection).toBe("keep-alive");
  });
});

describe("other ways to tell", () => {
  it("a proportional action says by how many servers, from real HAProxy servers", async () => {
    const { delivery_id: id } = await deliveryTo("scale_out", "delivered");
    const [got] = plant.receivers.at("/v1/webhooks/OUT/trigger?V=2");
    const body = JSON.parse(got?.body ?? "");
    const { most_recent: value } = body.reason_data;
    expect(body.count).toBe(Math.ceil((2 * value) / THRESHOLD - 2));
    expect(body.count).toBeGreaterThan(1);
    expect((await run("delivery", "show", id)).out).toMatch(new RegExp(`\\ncount +${body.count}\\n`));
  });

  it("in shadow: in the ledger, and nowhere else", async () => {
    const { delivery_id: id } = await deliveryTo("quiet", "shadow");
    expect(await show(id)).toMatchObject({
      attention: false,
      attempts: 0,
      attempt_list: [],
      reason: "receiver quiet is in shadow: nothing is sent",
      notification: { alarmName: "busy", current: "alarm" },
    });
    expect(plant.receivers.at("/quiet")).toEqual([]);
  });

  it("trust+http: with a token of Keystone, fetched once", async () => {
    await deliveryTo("mistral", "delivered");
    expect((await run("receiver", "test", "mistral", "--send")).code).toBe(0);
    const got = plant.receivers.at("/mistral");
    expect(got.map(({ headers }) => headers["x-auth-token"])).toEqual(got.map(() => TOKEN));
    expect(got.length).toBeGreaterThanOrEqual(2);
    expect(plant.keystone.asked).toBe(1);
  });

  it("a body of its own, with secrets in place", async () => {
    await deliveryTo("chat", "delivered");
    const [got] = plant.receivers.at("/chat");
    const body = JSON.parse(got?.body ?? "");
    expect(body).toEqual({ text: "busy is alarm", value: expect.any(Number), auth: SECRETS.body });
  });

  it("log: a line in the log; and no secret is in any", async () => {
    const { delivery_id: id } = await deliveryTo("journal", "delivered");
    const lines = plant.service
      .log()
      .split("\n")
      .filter((line) => line.includes('"journal"'));
    const line = lines.map((one) => JSON.parse(one)).find(({ msg }) => msg === "alarm");
    expect(line).toMatchObject({ cluster_id: "web-id", alarm_name: "busy", current: "alarm" });
    expect(await show(id)).toMatchObject({ reason: "logged" });
    expectNoSecret(plant.service.log());
  });

  it("heartbeat_url is called while all is well", async () => {
    await eventually("a call", () => plant.receivers.at("/ping").length > 0 || undefined);
  });
});
