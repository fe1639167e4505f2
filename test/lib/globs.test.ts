import fc from "fast-check";
import { expect, it } from "vitest";
import { matchesGlob } from "../../src/lib/globs.ts";

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
