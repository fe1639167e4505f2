import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeCommit, encodeCommit } from "../../../../src/backend/nats/log/codec.ts";
import { partsNamed, placeIn } from "../../../../src/backend/nats/log/recordsGet.ts";
import { commitOf } from "../../../helpers/logWorld.ts";
import { aSlice } from "../../../helpers/reports.ts";
import { anAlarm, theRules } from "../../../helpers/rules.ts";

const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));

it("a commit comes back as it was, small or large", () => {
  const small = commitOf("web", 1);
  const checkpoint = { clusterId: "web", seq: 1, number: 1, at: 1, doc: "x".repeat(5000) };
  const large = commitOf("ü/.*", 1, { checkpoint, rules: theRules([anAlarm({ name: "busy" })]) });
  for (const commit of [small, large, { ...large, rules: null }]) {
    expect(decodeCommit(encodeCommit(commit) ?? new Uint8Array())).toEqual(JSON.parse(JSON.stringify(commit)));
  }
  expect(encodeCommit(small)?.[0]).toBe(0x7b);
  expect(encodeCommit(large)?.length).toBeLessThan(2000);
});

it("what is no commit is none, whatever it is", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(decodeCommit(bytes)).toBeUndefined();
      expect(decodeCommit(deflateSync(bytes))).toBeUndefined();
    }),
  );
  fc.assert(fc.property(fc.jsonValue(), (value) => decodeCommit(bytesOf(value)) === undefined));
});

it("a commit with anything in it that the index could not store is none", () => {
  const whole = {
    ...commitOf("web", 1),
    decisions: [{ d: "release", at: 1, alarmId: "a", reason: "" }],
    deliveries: [{ id: "d", clusterId: "web", alarmId: "a", createdAt: 1, status: "waiting" }],
    attempts: [{ deliveryId: "d", attempt: 1 }],
    baselines: [{ source: "s", seq: 1, baseline: {} }],
    checkpoint: { seq: 1, number: 1, at: 1, doc: "" },
    rules: { clusterId: "web", alarms: [{ id: "a" }] },
  };
  expect(decodeCommit(bytesOf(whole))).toEqual(whole);
  const paths = pathsOf(whole).filter(
    ([first, ...rest]) => !["values", "sources", "members"].includes([first, ...rest].at(-1) ?? ""),
  );
  const free =
    /\.(at|reason|values|sources|members|baseline)$|^checkpoint$|^rules$|^inputs\.0\.input\.at$|^snapshot\.clusterId$/;
  let looked = 0;
  for (const path of paths) {
    const name = path.join(".");
    if (free.test(name) && name !== "checkpoint.at") continue;
    looked++;
    for (const wrong of [{ toString: "x" }, 1.5, null, "a\ud800", "a\0"]) {
      if (wrong === null && name === "rules") continue;
      expect([name, wrong, decodeCommit(bytesOf(changed(whole, path, wrong)))]).toEqual([name, wrong, undefined]);
    }
  }
  expect(looked).toBeGreaterThan(20);
});

/** Every place of a value, by the keys that lead to it. */
function pathsOf(value: unknown, to: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, below]) => [[...to, key], ...pathsOf(below, [...to, key])]);
}

function changed(value: unknown, [key = "", ...rest]: readonly string[], wrong: unknown): unknown {
  const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...(value as object) };
  copy[key] = rest.length === 0 ? wrong : changed(copy[key], rest, wrong);
  return copy;
}

it("a commit that is nested without end is none", () => {
  const nested = (deep: number) => `${"[".repeat(deep)}${"]".repeat(deep)}`;
  const [before, after] = JSON.stringify(commitOf("web", 1)).split('"values":{}');
  const withValues = (values: string) => decodeCommit(Buffer.from(`${before}"values":${values}${after}`));
  expect(withValues(nested(100))).toBeDefined();
  for (const deep of [300, 20_000]) expect(withValues(nested(deep))).toBeUndefined();
});

it("a record that would be too large when it is whole is none", () => {
  const bomb = deflateSync(Buffer.alloc(65 * 1024 * 1024, 0x20), { level: 1 });
  expect(bomb.length).toBeLessThan(1_000_000);
  expect(decodeCommit(bomb)).toBeUndefined();
});

it.each([
  ["[1,2]", [1, 2]],
  ["[0]", undefined],
  ["[1.5]", undefined],
  ['["1"]', undefined],
  ["{}", undefined],
  ["", undefined],
])("pieces named by %s", (text, expected) => {
  expect(partsNamed(Buffer.from(text))).toEqual(expected);
});

it.each([
  ["$JS.ACK.s.c.1.12.3.1795267709296169751.4", { seq: 12, delivered: 3, at: 1_795_267_709_296, pending: 4 }],
  [
    "$JS.ACK.d.hash.s.c.1.12.3.1795267709296169751.4.random",
    { seq: 12, delivered: 3, at: 1_795_267_709_296, pending: 4 },
  ],
  ["$JS.ACK.s.c.1.x.3.1795267709296169751.4", undefined],
  ["", undefined],
  [undefined, undefined],
])("a message is where %s says", (reply, expected) => {
  expect(placeIn(reply)).toEqual(expected);
});

it.each(["a/\0x", "a/\ud800"])("a record that could not be read back is not made: %j", (source) => {
  const baseline = { ...aSlice().baseline };
  const commit = commitOf("web", 1, { baselines: [{ clusterId: "web", source, seq: 1, baseline }] });
  expect(() => encodeCommit(commit)).toThrow(expect.objectContaining({ code: "E623" }));
  expect(() => encodeCommit(commitOf("web", Number.NaN))).toThrow("could not be read back");
});
