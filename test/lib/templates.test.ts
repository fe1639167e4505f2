import fc from "fast-check";
import { expect, it } from "vitest";
import type { TemplatePart } from "../../src/lib/templates.ts";
import { fillTemplate, matchTemplate, parseTemplate, placeholdersOf } from "../../src/lib/templates.ts";

const read = (template: string) => parseTemplate(template)!;
const valuesOf = (template: string, text: string) => {
  const values = matchTemplate(read(template), text);
  return values && Object.fromEntries(values);
};

it.each([
  { template: "{service}_cluster", text: "nova_cluster", expected: { service: "nova" } },
  { template: "{service}_cluster", text: "_cluster", expected: undefined },
  { template: "{service}_cluster", text: "nova_cluster_2", expected: undefined },
  { template: "{service}_cluster", text: "a_cluster_cluster", expected: { service: "a_cluster" } },
  { template: "{a}_{b}", text: "x_y_z", expected: { a: "x", b: "y_z" } },
  { template: "{a}{b}", text: "xyz", expected: { a: "x", b: "yz" } },
  { template: "{pool}:*", text: "p:l", expected: { pool: "p" } },
  { template: "{pool}:*", text: "p:", expected: { pool: "p" } },
  { template: "{n}_?", text: "web_12", expected: undefined },
  { template: "{n}_?", text: "web_1", expected: { n: "web" } },
  { template: "web", text: "web", expected: {} },
  { template: "web", text: "webs", expected: undefined },
])("$template of $text", ({ template, text, expected }) => {
  expect(valuesOf(template, text)).toEqual(expected);
});

it.each(["{", "}", "{}", "{a b}", "{1}", "a{b", "{{a}}"])("%s is no template", (template) => {
  expect(parseTemplate(template)).toBeUndefined();
});

const name = fc.stringMatching(/^[a-c_:.-]{1,4}$/);
const part = fc.oneof(
  fc.stringMatching(/^[a-c_:.-]{1,3}$/).map((text) => ({ kind: "text", text }) as const),
  fc.constantFrom("a", "b", "c", "d").map((one) => ({ kind: "placeholder", name: one }) as const),
);
const parts = fc
  .array(part, { maxLength: 6 })
  .filter((all) => new Set(placeholdersOf(all)).size === placeholdersOf(all).length);

it("matching is the inverse of filling in: what a template made, it reads, and what it reads makes the text again", () => {
  const inverse = fc.property(parts, fc.tuple(name, name, name, name), (template, [a, b, c, d]) => {
    const text = fillTemplate(template, new Map(Object.entries({ a, b, c, d })));
    const values = matchTemplate(template, text);
    expect(values).toBeDefined();
    expect([...values!.keys()].sort()).toEqual([...placeholdersOf(template)].sort());
    expect(fillTemplate(template, values!)).toBe(text);
    for (const value of values!.values()) expect(value).not.toBe("");
  });
  fc.assert(inverse, { numRuns: process.env.TOCSIN_TEST_FULL ? 50_000 : 500 });
});

it("where nothing of a value can be taken for what stands around it, the very values come back", () => {
  const plain = fc.stringMatching(/^[a-z]{1,6}$/);
  const same = fc.property(plain, plain, (service, side) => {
    expect(valuesOf("{service}_{side}", `${service}_${side}`)).toEqual({ service, side });
  });
  fc.assert(same, { numRuns: 200 });
});

it("many placeholders that nearly fit are not tried in every way", () => {
  const template = Array.from({ length: 20 }, (_, index) => `{p${index}}`).join("-");
  expect(valuesOf(`${template}!`, "-a".repeat(127))).toBeUndefined();
});

/** The slow, obvious way: every reading in order, and the first that fits. */
function trying(parts: readonly TemplatePart[], text: string): [string, string][] | undefined {
  const [part, ...rest] = parts;
  if (!part) return text === "" ? [] : undefined;
  if (part.kind === "text") return text.startsWith(part.text) ? trying(rest, text.slice(part.text.length)) : undefined;
  const least = part.kind === "any" ? 0 : 1;
  for (let length = least; length <= (part.kind === "one" ? 1 : text.length) && length <= text.length; length++) {
    const after = trying(rest, text.slice(length));
    if (after) return part.kind === "placeholder" ? [[part.name, text.slice(0, length)], ...after] : after;
  }
  return undefined;
}

it("what fits is what trying every reading in order finds first", () => {
  const wild = fc.oneof(part, fc.constantFrom({ kind: "any" } as const, { kind: "one" } as const));
  let fitting = 0;
  const same = fc.property(fc.array(wild, { maxLength: 6 }), fc.stringMatching(/^[a-b_]{0,9}$/), (template, text) => {
    const names = placeholdersOf(template);
    fc.pre(new Set(names).size === names.length);
    const values = matchTemplate(template, text);
    if (values) fitting++;
    expect(values && new Map(values)).toEqual(trying(template, text) && new Map(trying(template, text)));
  });
  fc.assert(same, { numRuns: process.env.TOCSIN_TEST_FULL ? 50_000 : 2000 });
  expect(fitting).toBeGreaterThan(50);
});

it("a name that is longer than any proxy's fits nothing, and takes no time", () => {
  expect(valuesOf("{a}", "x".repeat(1024))).toEqual({ a: "x".repeat(1024) });
  expect(valuesOf("{a}", "x".repeat(1025))).toBeUndefined();
  const started = performance.now();
  for (let time = 0; time < 100; time++) {
    expect(valuesOf("{a}_{b}_cluster", "_".repeat(1024))).toBeUndefined();
    expect(valuesOf("{a}_{b}_cluster", "_".repeat(64_000))).toBeUndefined();
  }
  expect(performance.now() - started).toBeLessThan(2000);
});
