import { afterAll, beforeAll, expect, it } from "vitest";
import { reachOf } from "../../../../src/backend/forget.ts";
import { readRecords } from "../../../../src/backend/nats/log/records.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import type { Commit, Ledger } from "../../../../src/ports.ts";
import { commitOf, logWorld } from "../../../helpers/logWorld.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import { anAlarm, theRules } from "../../../helpers/rules.ts";

let node: NatsNode;
beforeAll(async () => {
  node = await startNats("max_payload: 8192");
});
afterAll(() => node[Symbol.asyncDispose]());

const COMMITS = 400;
const DAY_S = 86_400;
const never = () => {
  throw new Error("refused");
};
/** Of a cluster whose windows reach back four ticks. Checkpoints are larger than a message. */
const noise = Array.from({ length: 800 }, (_, n) => Math.sin(n)).join();
const doc = `{"intervalMs":1000,"series":{"capacity":4,"from":0}}\n[${noise}]`;

function commits(clusterId: string, beginsAt: number, withRules: boolean): Commit[] {
  return Array.from({ length: COMMITS }, (_, n) => {
    const seq = n + 1;
    const at = beginsAt + seq * 1000;
    const tick = { kind: "tick", number: at / 1000, at, values: { x: seq }, sources: [], members: [] } as const;
    const rules = theRules([anAlarm({ name: `busy ${Math.floor(n / 100)}` })]);
    const revision = { kind: "command", command: "rules", rules } as const;
    return {
      ...commitOf(clusterId, seq, { inputs: [{ seq, input: n % 100 === 0 ? revision : tick }] }),
      ...(seq % 20 === 0 ? { checkpoint: { clusterId, seq, number: at / 1000, at, doc } } : {}),
      ...(seq % 20 === 0 && withRules ? { rules } : {}),
    };
  });
}

async function all(trim: Ledger["trim"], before: number): Promise<number> {
  let deleted = 0;
  for (let slices = 0; slices < 1000; slices++) {
    const trimmed = await trim(before);
    deleted += trimmed.deleted;
    if (!trimmed.more) return deleted;
  }
  throw new Error("trimming does not end");
}

it("the log begins with a record that a fresh engine has everything from", { timeout: 30_000 }, async () => {
  await using world = await logWorld(node.url);
  let ahead = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + ahead };
  const engine = await world.engine({ logAgeS: DAY_S, clock });
  const claim = await engine.shared.partition(0, never);
  const beginsAt = Math.floor(systemClock.now() / 1000) * 1000 - COMMITS * 1000;
  const write = (id: string, withRules: boolean) =>
    Promise.all(commits(id, beginsAt, withRules).map((one) => claim.commit(one)));
  await Promise.all([write("web", true), write("bare", false)]);
  const count = async (id: string) => (await readRecords(world.link, id)).length;
  await all((before) => engine.shared.all.trim(before), 0);
  expect([await count("web"), await count("bare")]).toEqual([COMMITS, COMMITS]);

  // A day and an hour later all of it is old; but the windows of its newest checkpoint are wanted.
  ahead = (DAY_S + 3600) * 1000;
  const whole = await claim.load();
  const later = await world.engine({ logAgeS: DAY_S, clock });
  await (await later.shared.partition(0, never)).load();
  expect(await all((before) => later.shared.all.trim(before), 0)).toBeGreaterThan(0);
  const [first] = await readRecords(world.link, "web");
  expect(first?.commit.checkpoint?.doc).toBe(doc);
  expect(first?.commit.rules).toBeDefined();
  const reach = reachOf(doc) ?? 0;
  const number = first?.commit.checkpoint?.number ?? 0;
  expect(await count("bare")).toBe(COMMITS);

  const fresh = await world.engine();
  const anew = await fresh.shared.partition(0, never);
  expect(await anew.load()).toEqual(whole);
  const newest = await claim.checkpoint("web", Infinity, Infinity);
  const from = (newest?.number ?? 0) - reach;
  expect(number).toBeLessThanOrEqual(from);
  expect(number).toBeGreaterThan(from - 20);
  expect(await anew.ticks("web", from)).toEqual(await claim.ticks("web", from));
  expect(await anew.checkpoint("web", Infinity, Infinity)).toEqual(newest);
  expect(fresh.said.filter((text) => text.startsWith("error"))).toEqual([]);
  await anew.commit(commitOf("web", COMMITS + 1));
});

it("a log that is nearly full is kept for a shorter time, however long it was to be", async () => {
  await using world = await logWorld(node.url);
  let monotonic = 0;
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + monotonic };
  const engine = await world.engine({ logAgeS: 7 * DAY_S, clock });
  const claim = await engine.shared.partition(0, never);
  const old = Math.floor(systemClock.now() / 1000) * 1000 - COMMITS * 1000;
  for (const one of commits("web", old, true)) await claim.commit(one);
  const count = async () => (await readRecords(world.link, "web")).length;
  const trim = () => all((before) => engine.shared.all.trim(before), 0);
  const { jsm, names } = world.link;
  const bytes = async () => (await jsm.streams.info(names.log)).state.bytes;
  const full = await bytes();
  await jsm.streams.update(names.log, { max_bytes: full * 2 });
  expect([await trim(), await count()]).toEqual([0, COMMITS]);

  // So much of it is there that the next hours would have no room. Its records are some seconds old, by the server's clock.
  await jsm.streams.update(names.log, { max_bytes: Math.ceil(full * 1.05) });
  for (let looks = 0; looks < 20 && (await bytes()) > full * 0.84; looks++) {
    monotonic += 60_000;
    await trim();
  }
  expect(await bytes()).toBeLessThanOrEqual(full * 0.84);
  expect(await count()).toBeGreaterThan(0);
  expect((await readRecords(world.link, "web"))[0]?.commit.rules).toBeDefined();
  expect(engine.said.filter((text) => text.startsWith("warn"))).toEqual([
    "warn the log is nearly full: it is kept for a shorter time",
  ]);
  await claim.commit(commitOf("web", COMMITS + 1));
});
