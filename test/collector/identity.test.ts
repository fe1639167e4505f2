/**
 * Processes that live as HAProxy's do: reloads, restarts under the same pid, cleared counters, counters that pass 2^53
 * and 2^64, are carried on or loaded from an old file, an address that goes to another machine and back, whole and
 * broken seconds, and clocks that are set by hours. What truly came and could be
 * seen is known: never is more counted, and where nothing was set back all of it.
 */

import fc from "fast-check";
import { expect, it } from "vitest";
import { isIn } from "../../src/collector/baseline.ts";
import type { Former } from "../../src/collector/continuity.ts";
import { withFormer } from "../../src/collector/continuity.ts";
import type { Previous } from "../../src/collector/process.ts";
import { sinceOf } from "../../src/collector/process.ts";
import type { Dump } from "../../src/collector/rows.ts";
import { RowsBuilder } from "../../src/collector/rows.ts";
import { sliceDump } from "../../src/collector/slices.ts";
import { Tables } from "../../src/collector/tables.ts";
import type { ProcessIdentity } from "../../src/model/tick.ts";

const LB = "network.services.lb";
const WRAP = 2n ** 64n;
const COUNTED = {
  bin: `${LB}.incoming.bytes`,
  stot: `${LB}.total.connections`,
  chkfail: `${LB}.health.check.failures`,
};
type Counter = keyof typeof COUNTED;
const COUNTERS = Object.keys(COUNTED) as Counter[];

/** How a source can be seen: what it says of its process. */
type Facts = "1.8" | "2.6" | "3.1" | "page" | "prometheus";

type Step =
  | { readonly kind: "time"; readonly seconds: number; readonly requests: number; readonly bytesEach: number }
  | { readonly kind: "reload"; readonly loads: "nothing" | "all" | "an old file" }
  | { readonly kind: "other machine" }
  | { readonly kind: "restart under the same pid" }
  | { readonly kind: "clear" }
  | { readonly kind: "wall"; readonly hours: number }
  | { readonly kind: "ours restarts" }
  | { readonly kind: "scrape" };

/** What a machine counted, and what of it came since it was last seen. */
interface Counts {
  counters: Record<Counter, bigint>;
  unseen: Record<Counter, number>;
}

const nothing = (): Counts => ({
  counters: { bin: 0n, stot: 0n, chkfail: 0n },
  unseen: { bin: 0, stot: 0, chkfail: 0 },
});

class World {
  readonly #facts: Facts;
  #pid = 100;
  #monotonicS = 5000;
  #wallS = 1_700_000_000;
  #startedS = 4000;
  #counters: Record<Counter, bigint>;
  /** Came since the scrape before, and is still to be seen. */
  #unseen: Record<Counter, number> = { bin: 0, stot: 0, chkfail: 0 };
  /** Its bytes may pass 2^64. */
  readonly #passes: boolean;
  /** Sessions of the process's life. */
  #connections = 0;
  #otherMachine = nothing();
  /** This machine's counters were seen since the address moved to it. */
  #isSeen = false;
  #formers: readonly Former[] = [];
  /** A file that counters are loaded from, of the scrape before last: nobody writes one that was set back since. */
  #file: Record<Counter, bigint> | undefined;
  #nextFile: Record<Counter, bigint> | undefined;
  /** Counters at the last scrape that counted, and those whose place another process took. */
  #seen: Record<Counter, bigint> | undefined;
  #replaced: Record<Counter, bigint>[] = [];
  /** Nothing happened since that hides any of it. */
  #isPlain = true;
  #previous: Previous | undefined;
  /** As a source does: the rows of the scrape before last give way to those of this one. */
  readonly #tables = new Tables();
  scrapes = 0;
  plain = 0;

  constructor(facts: Facts, bin: bigint) {
    this.#facts = facts;
    // Counters of bytes are that large only after very many sessions.
    this.#counters = { bin, stot: bin > 2n ** 50n ? 10n ** 12n : bin / 1000n, chkfail: 3n };
    this.#passes = bin > WRAP / 2n;
    // Of two machines it is told by their proxies alone which has counted more.
    if (facts === "page") this.#counters.chkfail = this.#counters.stot;
  }

  play(step: Step): void {
    switch (step.kind) {
      case "time": {
        this.#monotonicS += step.seconds;
        this.#wallS += step.seconds;
        const came = {
          bin: step.requests * step.bytesEach,
          stot: step.requests,
          chkfail: this.#facts === "page" ? step.requests : step.requests % 3,
        };
        for (const name of COUNTERS) {
          this.#counters[name] = (this.#counters[name] + BigInt(came[name])) % WRAP;
          this.#unseen[name] += came[name];
        }
        this.#connections += step.requests;
        break;
      }
      case "reload":
        this.#pid += 7;
        this.#startedS = this.#monotonicS;
        this.#connections = 0;
        if (this.#facts !== "3.1" || step.loads === "nothing") this.#setBack();
        else if (step.loads === "an old file") {
          // Of a file without a session nothing tells that it was loaded.
          const loaded = this.#file?.stot ? this.#file : nothing().counters;
          this.#setBack();
          this.#counters = { ...loaded };
          this.#file = loaded;
        }
        if (this.#facts !== "1.8" && this.#facts !== "2.6") this.#isPlain = false;
        break;
      case "other machine": {
        // What says which process it is tells them apart; one that passes 2^64 in that moment is not known again.
        if (this.#facts !== "page" || this.#passes) break;
        const { counters, unseen } = this.#otherMachine;
        // One that was never seen would be one that nobody knows: it comes as new.
        this.#otherMachine = this.#isSeen ? { counters: this.#counters, unseen: this.#unseen } : nothing();
        this.#isSeen = false;
        [this.#counters, this.#unseen] = [counters, unseen];
        this.#isPlain = false;
        break;
      }
      case "restart under the same pid":
        this.#startedS = this.#monotonicS;
        this.#connections = 0;
        this.#setBack();
        this.#isPlain = false;
        break;
      case "clear":
        this.#setBack();
        this.#isPlain = false;
        break;
      case "wall":
        this.#wallS += step.hours * 3600;
        // Across a restart of ours the wall clock is all there is to tell a new process's age by.
        if (this.#previous?.monotonicMs === undefined) this.#isPlain = false;
        break;
      case "ours restarts":
        if (this.#previous) {
          this.#previous = { baseline: structuredClone(this.#previous.baseline), monotonicMs: undefined };
          this.#isPlain = false;
          // Machines that answered before are forgotten: a new one comes when the address moves.
          [this.#formers, this.#replaced, this.#otherMachine] = [[], [], nothing()];
          if (!this.#isSeen) this.#setBack();
        }
        break;
      case "scrape":
        this.#scrape();
        break;
    }
  }

  #setBack(): void {
    ({ counters: this.#counters, unseen: this.#unseen } = nothing());
    [this.#file, this.#nextFile] = [undefined, undefined];
  }

  /** The counters have reached those that another process had when it was replaced: it may be back. */
  #isDoubtful(): boolean {
    const isBelow = (now: Record<Counter, bigint>, was: Record<Counter, bigint>) =>
      Number(now.bin) < Number(was.bin) || Number(now.stot) < Number(was.stot);
    const { bin = 0n, stot = 0n, chkfail = 0n } = this.#seen ?? {};
    return this.#replaced.some((was) => isBelow({ bin, stot, chkfail }, was) && !isBelow(this.#counters, was));
  }

  #process(): ProcessIdentity {
    const uptimeS = this.#monotonicS - this.#startedS;
    const startTimeS = 1_699_000_000 + this.#startedS;
    const nobody = { pid: undefined, uptimeS: undefined, startTimeS: undefined, version: "" };
    switch (this.#facts) {
      case "1.8":
        return { pid: this.#pid, uptimeS: Math.floor(uptimeS), startTimeS: undefined, version: "1.8.0" };
      case "2.6":
      case "3.1":
        return { pid: this.#pid, uptimeS, startTimeS: Math.floor(startTimeS), version: `${this.#facts}.4` };
      case "page":
        return nobody;
      case "prometheus":
        return { ...nobody, startTimeS: Math.floor(startTimeS) };
    }
  }

  #dump(): Dump {
    const builder = new RowsBuilder(this.#tables.take());
    const frontend = builder.row("web", "FRONTEND", "frontend");
    const server = builder.row("web", "s1", "server");
    for (const name of COUNTERS)
      builder.set(name === "chkfail" ? server : frontend, name, String(this.#counters[name]));
    builder.set(server, "stot", String(this.#counters.stot));
    const saysAll = this.#facts === "2.6" || this.#facts === "3.1";
    return builder.build(this.#process(), 0, saysAll, saysAll ? this.#connections : undefined);
  }

  #scrape(): void {
    const dump = this.#dump();
    const sentMs = this.#monotonicS * 1000;
    const asked = { process: dump.process, preciseUptime: dump.preciseUptime, sentMs, wallAt: this.#wallS * 1000 };
    const mapped = { frontend: "web", backend: "web" };
    const since = sinceOf(this.#previous, asked, 1000);
    const { slices, isOther } = sliceDump(
      dump,
      asked.wallAt,
      () => mapped,
      () => since,
      undefined,
      undefined,
      this.#formers,
    );
    const slice = slices[0]!;
    const wasKept = this.#previous?.baseline === slice.baseline;
    const { baseline } = slice;
    this.#tables.turn((table) => isIn(baseline, table));
    if (wasKept) {
      expect(slice).toMatchObject({ coveredS: 0, increases: {} });
      return;
    }
    if (isOther && this.#previous && this.#seen) {
      if (this.#isPlain) expect(this.#isDoubtful()).toBe(true);
      expect(slice).toMatchObject({ coveredS: 0, gap: true, increases: {} });
      this.#formers = withFormer(this.#formers, [["web", this.#previous.baseline]]);
      this.#replaced = [...this.#replaced, this.#seen].slice(-8);
      this.#isPlain = false;
    }
    for (const name of COUNTERS) {
      const counted = slice.increases[COUNTED[name]];
      const truth = this.#unseen[name];
      if (!this.#previous) expect(counted).toBeUndefined();
      else if (counted !== undefined) {
        expect([name, counted >= 0, counted <= truth ? "" : `${counted} of ${truth}`]).toEqual([name, true, ""]);
      }
      if (this.#previous && this.#isPlain) expect([name, counted]).toEqual([name, truth]);
    }
    expect(slice.coveredS).toBeGreaterThanOrEqual(0);
    if (this.#previous) {
      this.scrapes++;
      if (this.#isPlain) this.plain++;
    }
    this.#unseen = { bin: 0, stot: 0, chkfail: 0 };
    this.#isSeen = true;
    this.#seen = { ...this.#counters };
    this.#file = this.#nextFile ?? this.#file;
    this.#nextFile = this.#seen;
    this.#isPlain = true;
    this.#previous = { baseline: slice.baseline, monotonicMs: sentMs };
  }
}

const seconds = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.double({ min: 0.05, max: 400, noNaN: true }));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("time" as const),
      seconds,
      requests: fc.integer({ min: 0, max: 5000 }),
      bytesEach: fc.integer({ min: 0, max: 10_000_000 }),
    }),
  },
  { weight: 6, arbitrary: fc.constant({ kind: "scrape" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("reload" as const),
      loads: fc.constantFrom("nothing" as const, "all" as const, "an old file" as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "other machine" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "clear" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart under the same pid" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wall" as const), hours: fc.integer({ min: -50, max: 50 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "ours restarts" as const }) },
);

it("never counts more than came, and all of it where nothing was set back", { timeout: 600_000 }, () => {
  let [scrapes, plain] = [0, 0];
  const property = fc.property(
    fc.constantFrom<Facts>("1.8", "2.6", "3.1", "page", "prometheus"),
    fc.constantFrom(0n, 1_000_000n, 2n ** 53n - 1000n, WRAP - 50_000_000n),
    fc.array(step, { minLength: 4, maxLength: 40 }),
    (facts, bin, steps) => {
      const world = new World(facts, bin);
      for (const one of steps) world.play(one);
      scrapes += world.scrapes;
      plain += world.plain;
    },
  );
  fc.assert(property, { numRuns: process.env.TOCSIN_TEST_FULL ? 50_000 : 2000 });
  expect(plain).toBeGreaterThan(scrapes / 4);
});
