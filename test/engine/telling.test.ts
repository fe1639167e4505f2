import { expect, it } from "vitest";
import { eachMinute, Telling } from "../../src/engine/telling.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { ClusterRules } from "../../src/model/alarm.ts";
import { settled } from "../helpers/engineWorld.ts";
import { FakeClock } from "../helpers/fakeClock.ts";

const rulesOf = (clusterId: string, version = 1) => ({ clusterId, clusterName: `${version}` }) as ClusterRules;

/** A partition's telling, and what it said; each call waits while `gate` is shut. */
function aTelling(told: readonly string[] = []) {
  const clock = new FakeClock();
  const said: string[] = [];
  const state = { isOver: false, sources: ["s"], gate: Promise.resolve() };
  const say = async (text: string) => {
    said.push(text);
    await state.gate;
  };
  const telling = new Telling({
    clock,
    log: silentLogger,
    partition: 2,
    mapping: {
      put: ({ clusterId, clusterName }) => say(`put ${clusterId} ${clusterName}`),
      remove: (clusterId) => say(`remove ${clusterId}`),
      clusters: async () => told,
      putKnown: (partition, sources) => say(`known ${partition} ${sources}`),
      current: (report) => report,
    },
    rulesNow: () => [rulesOf("a"), rulesOf("b")],
    isOver: () => state.isOver,
  });
  /** What is said within so long, at a tick every 10 s. */
  const within = async (ms: number) => {
    said.length = 0;
    for (let passed = 0; passed < ms; passed += 10_000) {
      clock.advance(10_000);
      telling.tick(() => state.sources);
      await settled();
    }
    return [...said];
  };
  return { clock, state, said, telling, within };
}

it("tells all of it each minute again, as it is by then: the bus may have lost it", async () => {
  const { telling, said, within, state } = aTelling(["a", "old"]);
  telling.begin([rulesOf("a"), rulesOf("b")]);
  await settled();
  expect(said).toEqual(["put a 1", "put b 1", "remove old"]);
  expect(await within(50_000)).toEqual(["known 2 s"]);
  telling.changed("a", rulesOf("a", 2));
  telling.changed("b", undefined);
  telling.changed("c", rulesOf("c"));
  state.sources = ["t", "s"];
  const all = ["put a 2", "remove b", "remove old", "put c 1"];
  expect((await within(10_000)).sort()).toEqual([...all, "known 2 s,t"].sort());
  expect(await within(50_000)).toEqual([]);
  expect((await within(10_000)).sort()).toEqual([...all, "known 2 s,t"].sort());
});

it("while the bus is away nothing heaps up; who has lost the partition tells no more", async () => {
  const { telling, said, within, state } = aTelling();
  telling.begin([rulesOf("a"), rulesOf("b")]);
  await within(60_000);
  let open = () => {};
  state.gate = new Promise((resolve) => {
    open = resolve;
  });
  expect(await within(600_000)).toEqual(expect.arrayContaining(["put a 1", "known 2 s"]));
  expect(said).toHaveLength(2);
  state.isOver = true;
  open();
  await settled();
  expect(said).not.toContain("put b 1");
});

it("what belongs to no partition is told at once and each minute, one after the other, until it is stopped", async () => {
  const clock = new FakeClock();
  let [begun, ended] = [0, 0];
  let open: () => void = () => {};
  const repeating = eachMinute(clock, silentLogger, async () => {
    begun++;
    await new Promise<void>((resolve) => {
      open = resolve;
    });
    ended++;
    if (ended === 1) throw new Error("once");
  });
  expect(begun).toBe(1);
  clock.advance(600_000);
  expect(begun).toBe(1);
  open();
  await settled();
  expect([begun, ended]).toEqual([1, 1]);
  clock.advance(60_000);
  expect(begun).toBe(2);
  open();
  await settled();
  repeating.stop();
  clock.advance(600_000);
  expect([begun, ended]).toEqual([2, 2]);
});

it("says nothing of a change when it is over", async () => {
  const { telling, said, state } = aTelling();
  state.isOver = true;
  telling.changed("a", rulesOf("a", 2));
  await settled();
  expect(said).toEqual([]);
});
