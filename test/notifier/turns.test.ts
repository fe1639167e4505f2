import { describe, expect, it } from "vitest";
import type { Reach } from "../../src/notifier/turns.ts";
import { Turns } from "../../src/notifier/turns.ts";
import { FakeClock } from "../helpers/fakeClock.ts";

interface Job {
  readonly name: string;
  readonly end: (reach?: Reach) => Promise<void>;
}

/** Turns whose requests last until they are told to end. */
function setUp(limits: { concurrency?: number; perOrigin?: number } = {}) {
  const clock = new FakeClock();
  const turns = new Turns(clock, { concurrency: 1024, perOrigin: 32, ...limits });
  const begun: string[] = [];
  const refused: [string, string, number][] = [];
  const jobs = new Map<string, Job>();
  const add = (name: string, origin: string, isUrgent = false) =>
    turns.add({
      origin,
      isUrgent,
      run: () =>
        new Promise<Reach>((resolve) => {
          begun.push(name);
          const end = async (reach: Reach = "reached") => {
            resolve(reach);
            // What follows from an end is done in promises.
            for (let n = 0; n < 5; n++) await Promise.resolve();
          };
          jobs.set(name, { name, end });
        }),
      refuse: (why, restMs) => refused.push([name, why, restMs]),
      drop: () => {},
    });
  return { clock, turns, begun, refused, add, end: (name: string, reach?: Reach) => jobs.get(name)!.end(reach) };
}

const many = (count: number, prefix = "") => Array.from({ length: count }, (_, n) => `${prefix}${n}`);

describe("turns", () => {
  it("to one origin eight begin at once, the others 5 ms apart", () => {
    const { clock, begun, add } = setUp();
    for (const name of many(12)) add(name, "http://a");
    add("b", "http://b");
    expect(begun).toEqual([...many(8), "b"]);
    clock.advance(4);
    expect(begun).toHaveLength(9);
    clock.advance(1);
    expect(begun.at(-1)).toBe("8");
    clock.advance(15);
    expect(begun).toEqual([...many(8), "b", "8", "9", "10", "11"]);
  });

  it("so many at once to one origin, whatever the time", async () => {
    const { clock, begun, add, end } = setUp({ perOrigin: 2 });
    for (const name of many(4)) add(name, "http://a");
    clock.advance(1000);
    expect(begun).toEqual(["0", "1"]);
    await end("1");
    expect(begun).toEqual(["0", "1", "2"]);
  });

  it("what scales goes before what tells, each in order", async () => {
    const { begun, add, end } = setUp({ perOrigin: 1 });
    add("first", "http://a");
    add("notice", "http://a");
    add("scale1", "http://a", true);
    add("scale2", "http://a", true);
    await end("first");
    await end("scale1");
    await end("scale2");
    expect(begun).toEqual(["first", "scale1", "scale2", "notice"]);
  });

  it("a limit over all is shared by turns: a long queue of one origin does not starve the others", async () => {
    const { begun, add, end } = setUp({ concurrency: 2 });
    for (const name of many(5, "a")) add(name, "http://a");
    add("b0", "http://b");
    add("c0", "http://c");
    expect(begun).toEqual(["a0", "a1"]);
    await end("a0");
    await end("a1");
    await end("a2");
    await end("b0");
    await end("c0");
    expect(begun).toEqual(["a0", "a1", "a2", "b0", "c0", "a3", "a4"]);
  });

  it("a place that the first in line cannot take goes to the next", async () => {
    const { begun, add, end } = setUp({ concurrency: 2, perOrigin: 1 });
    add("a0", "http://a");
    add("b0", "http://b");
    add("c0", "http://c");
    add("a1", "http://a");
    await end("b0");
    expect(begun).toEqual(["a0", "b0", "c0"]);
    await end("a0");
    expect(begun).toEqual(["a0", "b0", "c0", "a1"]);
  });

  it("at the limit over all, what scales goes before what tells, whichever origin it is for", async () => {
    const { begun, add, end } = setUp({ concurrency: 1 });
    add("first", "http://a");
    add("notice", "http://b");
    add("scales", "http://c", true);
    await end("first");
    await end("scales");
    expect(begun).toEqual(["first", "scales", "notice"]);
  });

  it("an origin whose turns ran out while it starved is begun anew, and nothing of it is lost", async () => {
    const { clock, turns, begun, refused, add, end } = setUp({ concurrency: 1, perOrigin: 1 });
    add("hangs", "http://x");
    add("old", "http://a");
    clock.advance(10_000);
    expect(refused).toEqual([["old", "no turn", 1000]]);
    add("a1", "http://a");
    add("a2", "http://a");
    await end("hangs");
    expect(begun).toEqual(["hangs", "a1"]);
    expect(turns.clear()).toHaveLength(1);
    await end("a1");
    clock.advance(60_000);
    expect(begun).toEqual(["hangs", "a1"]);
  });

  it("a request that fails gives its place back", async () => {
    const { turns, begun, add } = setUp({ perOrigin: 1 });
    const failing = { origin: "http://a", isUrgent: false, refuse: () => {}, drop: () => {} };
    turns.add({ ...failing, run: () => Promise.reject(new Error("broken")) });
    add("next", "http://a");
    for (let n = 0; n < 5; n++) await Promise.resolve();
    expect(begun).toEqual(["next"]);
  });

  it("an origin that five in a row could not connect to is left alone; then one tells for all", async () => {
    const { clock, begun, refused, turns, add, end } = setUp({ perOrigin: 6 });
    for (const name of many(10)) add(name, "http://a");
    for (const name of many(5)) await end(name, "unreached");
    // Three are under way; those that waited for their time are told at once.
    expect(begun).toEqual(many(8));
    expect(refused).toEqual([
      ["8", "left alone", 30_000],
      ["9", "left alone", 30_000],
    ]);
    expect(turns.breakerOf("http://a")).toBe("open");
    for (const name of ["5", "6", "7"]) await end(name, "unreached");
    clock.advance(30_000);
    expect(turns.breakerOf("http://a")).toBe("half-open");
    for (const name of many(3, "again")) add(name, "http://a");
    expect(begun.slice(-1)).toEqual(["again0"]);
    await end("again0", "reached");
    expect(begun.slice(-2)).toEqual(["again1", "again2"]);
    expect(turns.breakerOf("http://a")).toBe("closed");
  });

  it("a probe that fails sends the others away again", async () => {
    const { clock, refused, add, end } = setUp();
    for (const name of many(5)) add(name, "http://a");
    for (const name of many(5)) await end(name, "unreached");
    clock.advance(30_000);
    add("probe", "http://a");
    add("waits", "http://a");
    await end("probe", "unreached");
    expect(refused).toEqual([["waits", "left alone", 60_000]]);
  });

  it("whose turn does not come within 10 s is handed back, and later ones wait on", async () => {
    const { clock, refused, begun, add, end } = setUp({ perOrigin: 1 });
    add("hangs", "http://a");
    add("notice", "http://a");
    clock.advance(4000);
    add("scales", "http://a", true);
    clock.advance(5999);
    expect(refused).toEqual([]);
    clock.advance(1);
    expect(refused).toEqual([["notice", "no turn", 1000]]);
    add("later", "http://a");
    clock.advance(4000);
    expect(refused.slice(1)).toEqual([["scales", "no turn", 1000]]);
    await end("hangs");
    expect(begun).toEqual(["hangs", "later"]);
    clock.advance(20_000);
    expect(refused).toHaveLength(2);
  });

  it("when the service ends, all that wait are handed back, and idle waits for the rest", async () => {
    const { turns, begun, add, end } = setUp({ perOrigin: 1 });
    for (const name of many(3)) add(name, "http://a");
    expect(turns.clear()).toHaveLength(2);
    let isIdle = false;
    const idle = turns.idle().then(() => {
      isIdle = true;
    });
    await end("0");
    await idle;
    expect([isIdle, begun]).toEqual([true, ["0"]]);
  });
});
