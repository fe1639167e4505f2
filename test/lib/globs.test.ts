import fc from "fast-check";
import { expect, it } from "vitest";
import { coversGlob, globsMeet, literalPrefix, matchesGlob } from "../../src/lib/globs.ts";

/** The obvious definition, exponential and right. */
function oracle(text: string, pattern: string): boolean {
  if (pattern === "") return text === "";
  if (pattern[0] === "*") return oracle(text, pattern.slice(1)) || (text !== "" && oracle(text.slice(1), pattern));
  return text !== "" && (pattern[0] === "?" || pattern[0] === text[0]) && oracle(text.slice(1), pattern.slice(1));
}

it("agrees with the definition", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "-"), maxLength: 8 });
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", "-", "*", "?"), maxLength: 8 });
  const agrees = fc.property(text, pattern, (t, p) => {
    expect(matchesGlob(t, p)).toBe(oracle(t, p));
  });
  fc.assert(agrees, { numRuns: 2000 });
});

it("characters of regular expressions are themselves", () => {
  expect(matchesGlob("a.b", "a.b")).toBe(true);
  expect(matchesGlob("axb", "a.b")).toBe(false);
  expect(matchesGlob("c832ed78:9fe7", "c832ed78*")).toBe(true);
});

/** Every text over two letters, and one that no pattern speaks of, up to that length. */
function textsUpTo(length: number): readonly string[] {
  let newest = [""];
  const all = [...newest];
  for (let size = 0; size < length; size++) {
    newest = newest.flatMap((text) => ["a", "b", "z"].map((letter) => text + letter));
    all.push(...newest);
  }
  return all;
}

const TEXTS = textsUpTo(7);
const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 3 });

it("two patterns meet where some text matches both: brute force finds it, or none", () => {
  // Of patterns of three characters the shortest common text has six at the most.
  const meets = fc.property(pattern, pattern, (a, b) => {
    expect(globsMeet(a, b)).toBe(TEXTS.some((text) => matchesGlob(text, a) && matchesGlob(text, b)));
  });
  fc.assert(meets, { numRuns: process.env.TOCSIN_TEST_FULL ? 20_000 : 400 });
});

it("a pattern covers another only where brute force finds no text that speaks against it", () => {
  let covered = 0;
  const covers = fc.property(pattern, pattern, (outer, inner) => {
    if (!coversGlob(outer, inner)) return;
    covered++;
    expect(TEXTS.find((text) => matchesGlob(text, inner) && !matchesGlob(text, outer))).toBeUndefined();
  });
  fc.assert(covers, { numRuns: process.env.TOCSIN_TEST_FULL ? 20_000 : 400 });
  expect(covered).toBeGreaterThan(20);
});

it.each([
  { outer: "web*", inner: "web_1", expected: true },
  { outer: "*", inner: "?*", expected: true },
  { outer: "a*?", inner: "a?*", expected: true },
  { outer: "?x*", inner: "*x", expected: false },
  { outer: "a?", inner: "a*", expected: false },
])("$outer covers $inner: $expected", ({ outer, inner, expected }) => {
  expect(coversGlob(outer, inner)).toBe(expected);
});

it("long patterns of many runs are compared at once", () => {
  const [a, b] = ["*a".repeat(500), `${"*b".repeat(500)}c`];
  expect(globsMeet(a, b)).toBe(false);
  expect(coversGlob(a, b)).toBe(false);
});

it("what a pattern begins with", () => {
  expect(["c832*", "web", "?x", ""].map(literalPrefix)).toEqual(["c832", "web", "", ""]);
});
