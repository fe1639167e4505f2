import fc from "fast-check";
import { expect, it, vi } from "vitest";
import type { MemberState } from "../../src/model/meters.ts";
import type { Doing } from "../helpers/sealedWorld.ts";
import { SealedWorld } from "../helpers/sealedWorld.ts";

const WORDS = { up: "up", down: "down", draining: "drain", maint: "maint" } as const;
const WORST_FIRST: readonly MemberState[] = ["down", "unknown", "maint", "draining", "standby", "up"];

const runs = process.env.TOCSIN_TEST_FULL ? 10_000 : 400;
vi.setConfig({ testTimeout: 600_000 });
const seed = Number(process.env.TOCSIN_TEST_SEED ?? Date.now() % 2 ** 31);

const SOURCES = ["p", "q", "r"];
const state = fc.constantFrom<MemberState>("up", "up", "down", "draining", "maint", "standby", "unknown");

const SERVERS = ["a", "b", "c", "d", "toString"];

/** What a source does: mostly the same thing for a while, since silences matter when they last. */
const stretch = fc.record({
  ticks: fc.integer({ min: 1, max: 6 }),
  does: fc.constantFrom("answers", "answers", "answers", "empty", "fails"),
  members: fc.dictionary(fc.constantFrom(...SERVERS), state, { maxKeys: 4 }),
  moved: fc.boolean(),
  fresh: fc.constantFrom(false, false, true),
});

const past = fc.record({
  sources: fc.array(fc.array(stretch, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 }),
  /** Which servers each source may have: all of them, a share of its own, or some. */
  pools: fc.oneof(
    fc.constant(SOURCES.map(() => SERVERS)),
    fc.constant(SOURCES.map((_, own) => SERVERS.filter((_, index) => index % SOURCES.length === own))),
    fc.array(fc.subarray(SERVERS), { minLength: SOURCES.length, maxLength: SOURCES.length }),
  ),
  /** Before which ticks we start anew, or forget a source. */
  restarts: fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 9 })), { maxLength: 3 }),
  forgets: fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.constantFrom(...SOURCES)), { maxLength: 2 }),
});

type Stretch = typeof stretch extends fc.Arbitrary<infer T> ? T : never;

function doingsOf(stretches: readonly Stretch[], pool: readonly string[]): readonly Doing[] {
  return stretches.flatMap(({ ticks, does, members: all, moved, fresh }) => {
    const members = Object.fromEntries(Object.entries(all).filter(([name]) => pool.includes(name)));
    return Array.from({ length: ticks }, (_, index): Doing => {
      if (does === "fails") return { does };
      // Only the first answer of a process is fresh.
      return { does: "answers", slice: does === "empty" ? undefined : { members, moved, fresh: fresh && index === 0 } };
    });
  });
}

const sliceOf = (doing: Doing | undefined) => (doing?.does === "answers" ? doing.slice : undefined);

/** What is true of a cluster, by the slow way: looking at every source's word in turn. */
class Truth {
  members = new Map<string, MemberState>();
  known = new Set<string>();
  /** Sources that have answered since they are known. */
  met = new Set<string>();
  silent = new Map<string, number>();
  carriers: string[] = [];

  /** Events that this tick must tell, in order. */
  tick(doings: ReadonlyMap<string, Doing>): string[] {
    const newcomers: string[] = [];
    const moved: string[] = [];
    const says = new Map<string, Readonly<Record<string, MemberState>>>();
    const waiting = [...this.known].sort();
    const failed: string[] = [];
    for (const source of waiting) {
      const doing = doings.get(source);
      if (doing?.does !== "answers") {
        failed.push(source);
        continue;
      }
      if (!this.met.has(source)) newcomers.push(source);
      if (doing.slice?.moved) moved.push(source);
      if (doing.slice) says.set(source, doing.slice.members ?? {});
    }
    const believed = this.#believed(says, moved, failed);
    const now = new Map<string, MemberState>();
    for (const server of SERVERS) {
      const wordOf = (source: string) => new Map(Object.entries(says.get(source) ?? {})).get(server) ?? [];
      const worstOf = (who: readonly string[]) => WORST_FIRST.find((one) => who.flatMap(wordOf).includes(one));
      const was = this.members.get(server);
      // Only where nobody is believed what was known goes before what the others say.
      const kept = believed.length === 0 && failed.length > 0 ? was : undefined;
      const is = worstOf(believed) ?? kept ?? worstOf([...says.keys()]) ?? (failed.length > 0 ? was : undefined);
      if (is) now.set(server, is);
    }
    const events: string[] = [];
    for (const server of SERVERS) {
      const [was, is] = [this.members.get(server), now.get(server)];
      if (is === undefined || was === is || !(is in WORDS)) continue;
      if (was === undefined && newcomers.length > 0) continue;
      events.push(`server.${WORDS[is as keyof typeof WORDS]} ${server} was ${was ?? "absent"}`);
    }
    for (const source of waiting) {
      const before = this.silent.get(source) ?? 0;
      if (failed.includes(source)) {
        if (before === 3) events.push(`source.lost ${source}`);
        this.silent.set(source, before + 1);
        continue;
      }
      if (before >= 4) events.push(`source.found ${source}`);
      const doing = doings.get(source);
      const fresh = doing?.does === "answers" && doing.slice?.fresh === true && !newcomers.includes(source);
      if (fresh) events.push(`process.${before === 0 ? "reloaded" : "restarted"} ${source}`);
      this.silent.delete(source);
      this.met.add(source);
    }
    this.members = now;
    if (moved.length > 0) this.carriers = moved;
    return events;
  }

  #believed(says: ReadonlyMap<string, unknown>, moved: readonly string[], failed: readonly string[]): string[] {
    if (moved.length > 0) return [...moved];
    const last = this.carriers.filter((source) => says.has(source));
    if (last.length > 0) return last;
    const isAwaited = (source: string) => failed.includes(source) && (this.silent.get(source) ?? 0) < 3;
    return this.carriers.some(isAwaited) ? [] : [...says.keys()];
  }

  forget(source: string): void {
    this.known.delete(source);
    this.met.delete(source);
    this.silent.delete(source);
  }
}

it(`events are the changes of what is true, each once (${runs} histories)`, () => {
  let told = 0;
  let returned = 0;
  fc.assert(
    fc.property(past, ({ sources, pools, restarts, forgets }) => {
      const known = SOURCES.slice(0, sources.length);
      const world = new SealedWorld(known);
      const truth = new Truth();
      for (const source of known) truth.known.add(source);
      const doings = sources.map((stretches, index) => doingsOf(stretches, pools[index] ?? []));
      const newest = new Map<string, string>();
      for (let index = 0; index < Math.max(...doings.map(({ length }) => length)); index++) {
        const now = new Map(
          known.map((source, each): [string, Doing] => [source, doings[each]?.[index] ?? { does: "fails" }]),
        );
        for (const [at, down] of restarts) if (at === index && truth.met.size === truth.known.size) world.restart(down);
        for (const [at, source] of forgets) {
          if (at !== index || !truth.known.has(source)) continue;
          world.forget(source);
          truth.forget(source);
          newest.delete(`source ${source}`);
        }
        // One that was forgotten is known again from its first row on, if that comes before the tick is sealed: so first.
        const isKnown = (source: string) => truth.known.has(source);
        const back = known.filter((source) => !isKnown(source) && sliceOf(now.get(source)) !== undefined);
        const again = known.some(isKnown) ? back : back.slice(0, 1);
        const order = [...again, ...known.filter(isKnown)];
        for (const source of again) truth.known.add(source);
        if (order.length === 0) continue;
        returned += again.length;
        const events = world
          .tick(Object.fromEntries(order.map((source) => [source, now.get(source)!])))
          .flatMap((folded) => folded.events);
        expect(events).toEqual(truth.tick(now));
        expect(new Map([...world.cluster.members].sort())).toEqual(truth.members);
        told += events.length;
        for (const event of events) {
          const [type = "", who = ""] = event.split(" ");
          const about = `${type.split(".")[0]} ${who}`;
          // Nothing is said twice in a row, but of a server that was gone meanwhile, and of processes.
          if (!event.endsWith("was absent") && !type.startsWith("process")) expect(newest.get(about)).not.toBe(type);
          if (!type.startsWith("process")) newest.set(about, type);
        }
        for (const server of SERVERS) {
          const is = truth.members.get(server);
          if (is === undefined || is === "standby" || is === "unknown") newest.delete(`server ${server}`);
        }
      }
    }),
    { numRuns: runs, seed },
  );
  expect(told).toBeGreaterThan(runs);
  expect(returned).toBeGreaterThan(0);
  console.log(`histories=${runs} events=${told} returned=${returned} seed=${seed} wrong=0 twice=0`);
});
