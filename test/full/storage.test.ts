import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../helpers/sockets.ts";
import type { Said } from "../helpers/storageOracle.ts";
import { readAll } from "../helpers/storageOracle.ts";
import { copyOf, StorageRun } from "../helpers/storageRun.ts";

const PAGE = 4096;
const FIRST = 170_000_000;
const LOADS = [30, 30, 90, 90, 30, 5, 5, 30, 90, 30, 30, 30];

type Mutation =
  | { readonly kind: "cut" | "flip" | "noise" | "zero page"; readonly at: number; readonly bits: number }
  | { readonly kind: "swap pages"; readonly at: number; readonly other: number }
  | { readonly kind: "empty" | "gone" | "foreign wal" | "wrong version" | "other version"; readonly at: number }
  | { readonly kind: "appended"; readonly bytes: Uint8Array };

const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const of = <K extends string>(...kinds: K[]) => fc.constantFrom(...kinds);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: of("flip"), at, bits: fc.integer({ min: 0, max: 7 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: of("cut", "noise", "zero page"), at, bits: fc.integer({ min: 1, max: 255 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: of("swap pages"), at, other: at }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: of("empty", "gone", "foreign wal", "wrong version", "other version"), at }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: of("appended"), bytes: fc.uint8Array({ minLength: 1, maxLength: 9000 }) }),
  },
);
/** Which folder, and which of its files: the record above all. */
const base = fc.constantFrom("ended", "killed");
const file = fc.constantFrom("state.db", "state.db", "state.db-wal", "state.db-wal", "metrics.db");

const folder = temporaryFolder();
const original = new Map<string, Said>();
const pathOf = (name: string) => join(folder.path, name);

beforeAll(async () => {
  await record("ended", 3);
  await record("foreign", 1);
}, 120_000);
afterAll(() => folder[Symbol.dispose]());

/** Runs the service; leaves what a kill in its last run leaves, `ended` and `killed`. */
async function record(name: string, runs: number): Promise<void> {
  let number = FIRST;
  for (let run = 0; run < runs; run++) {
    const service = await StorageRun.start(pathOf(name), number);
    for (const load of LOADS) {
      await service.tick(load);
      await service.answer(load === 90 ? "uncertain" : "accepted");
    }
    ({ number } = service);
    if (run === runs - 1) copyOf(pathOf(name), pathOf(name === "ended" ? "killed" : `${name} killed`));
    await service.stop();
  }
}

function read(path: string) {
  return readAll(path);
}

function originalOf(name: string): Said {
  const known = original.get(name) ?? read(copy(name, "original")).said;
  original.set(name, known);
  return known;
}

let copies = 0;
function copy(name: string, why: string): string {
  const to = pathOf(`${why} ${copies++}`);
  if (name === "killed") return copyOf(pathOf(name), to);
  for (const one of ["state.db-wal", "metrics.db-wal"]) {
    if (!existsSync(join(pathOf(name), one))) writeFileSync(join(pathOf(name), one), "");
  }
  return copyOf(pathOf(name), to);
}

/** Returns whether there was anything to mutate. */
function mutate(path: string, name: string, how: Mutation): boolean {
  const target = join(path, name);
  const bytes = readFileSync(target);
  if (bytes.length === 0) return false;
  const place = (share: number) => Math.floor(share * bytes.length);
  const pageAt = (share: number) => bytes.subarray(Math.floor(place(share) / PAGE) * PAGE).subarray(0, PAGE);
  switch (how.kind) {
    case "cut":
      writeFileSync(target, bytes.subarray(0, place(how.at)));
      return true;
    case "flip":
      bytes.writeUInt8(bytes.readUInt8(place(how.at)) ^ (1 << how.bits), place(how.at));
      break;
    case "noise":
      for (let n = 0; n < how.bits; n++) {
        const where = (place(how.at) + n) % bytes.length;
        bytes.writeUInt8((bytes.readUInt8(where) * 31 + 17 * n + how.bits) & 0xff, where);
      }
      break;
    case "zero page":
      pageAt(how.at).fill(0);
      break;
    case "swap pages": {
      const [one, other] = [pageAt(how.at), pageAt(how.other)];
      const size = Math.min(one.length, other.length);
      const kept = Buffer.from(one.subarray(0, size));
      other.copy(one, 0, 0, size);
      kept.copy(other, 0, 0, size);
      break;
    }
    case "empty":
      writeFileSync(target, "");
      return true;
    case "gone":
      rmSync(target);
      return true;
    case "foreign wal":
      writeFileSync(join(path, "state.db-wal"), readFileSync(join(pathOf("foreign killed"), "state.db-wal")));
      return true;
    case "wrong version":
    case "other version": {
      // Where the version number stands, in the text of the page: as a one-byte integer after its name.
      const where = bytes.indexOf("schema_version");
      if (where < 0) return false;
      const version = bytes.readUInt8(where + "schema_version".length);
      bytes.writeUInt8(how.kind === "wrong version" ? version - 1 : version + 5, where + "schema_version".length);
      break;
    }
    case "appended":
      writeFileSync(target, Buffer.concat([bytes, how.bytes]));
      return true;
  }
  writeFileSync(target, bytes);
  return true;
}

const counts = { copies: 0, opened: 0, quarantined: 0, refused: 0, unread: 0, crash: 0, silently_wrong: 0 };

/** What became of a mutated folder: one of the good ends, or why it is wrong. */
function judge(path: string, name: string): string | undefined {
  const { refused, damaged, said } = read(path);
  if (refused !== undefined) {
    counts.refused++;
    return ["E302", "E304"].includes(refused) ? undefined : `refused with ${refused}`;
  }
  const before = originalOf(name);
  const aside = readdirSync(path).filter((one) => one.startsWith("damaged-"));
  if (damaged.length > 0) {
    counts.quarantined++;
    if (aside.length === 0 && !damaged[0]?.includes("nothing is left")) return "said to be moved, and not";
    // What was begun is empty; the record stays where only the series were damaged.
    const isAll = damaged.some((line) => line.startsWith("state.db"));
    const own = [...said].filter(([what]) => !["series", "raw counters"].includes(what));
    const wrong = own.find(([what, value]) =>
      isAll ? !["[]", "undefined"].includes(value) : value !== before.get(what),
    );
    return wrong && `after it was set aside, ${wrong[0]} is ${wrong[1].slice(0, 100)}`;
  }
  if ([...said.values()].includes("E306")) counts.unread++;
  else counts.opened++;
  for (const [what, value] of said) {
    if (value !== "E306" && value !== before.get(what)) return `${what} is ${value.slice(0, 200)}`;
  }
  return undefined;
}

describe("damage to the record is never silently wrong", () => {
  it("what is not mutated is read as it was written", () => {
    for (const name of ["ended", "killed"]) {
      const before = originalOf(name);
      expect(read(copy(name, "same"))).toEqual({ damaged: [], said: before });
      expect(JSON.parse(before.get("log") ?? "").length).toBeGreaterThan(30);
      expect(JSON.parse(before.get("series") ?? "").length).toBeGreaterThan(10);
    }
  });

  it("mutated copies are opened as they were, set aside, or refused", () => {
    const numRuns = process.env.TOCSIN_TEST_FULL ? 800 : 60;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const property = fc.property(base, file, mutation, (name, which, how) => {
      const path = copy(name, "mutated");
      try {
        if (!mutate(path, which, how)) return;
        counts.copies++;
        let wrong: string | undefined;
        try {
          wrong = judge(path, name);
        } catch (error) {
          counts.crash++;
          throw error;
        }
        if (wrong !== undefined) counts.silently_wrong++;
        expect(wrong).toBeUndefined();
      } finally {
        rmSync(path, { recursive: true, force: true });
      }
    });
    try {
      fc.assert(property, { numRuns, seed, endOnFailure: true });
    } finally {
      const figures = Object.entries(counts).map(([what, count]) => `${what}=${count}`);
      console.log(`mutated state: ${figures.join(" ")} seed=${seed}`);
    }
  }, 600_000);
});
