import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { isMap, isScalar, isSeq, parseDocument, stringify } from "yaml";
import { formatDiagnostic } from "../../src/config/diagnostics.ts";
import { loadRuleText } from "../../src/config/rules.ts";
import { DEFAULTS } from "./loading.ts";

const FULL = process.env.TOCSIN_TEST_FULL !== undefined;
const TIMEOUT = FULL ? 600_000 : 60_000;
const folder = new URL("../../rules/", import.meta.url);
const FILES = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), "utf8"));

/** Keys and values that mean something somewhere. */
const WORDS = [...new Set(FILES.join("\n").match(/[\w.:*]+/g))];

const scalar = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.constantFrom("", "receiver:ops", "http://h/", "0 8 * * *", "1h", "{", '{"=": {}}', "__proto__", "constructor"),
  fc.constantFrom(0, -1, 1, 5, 0.5, 1e308, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60),
  fc.constantFrom(true, false, null),
  fc.string({ maxLength: 8 }),
);
const garbage = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4, withCrossShrink: true }, scalar, tie("list"), tie("map")),
  list: fc.array(tie("value"), { maxLength: 4 }),
  map: fc.dictionary(fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 4 })), tie("value"), { maxKeys: 5 }),
})).value;

type Step = string | number;

/** Every place of a document, by path. */
function places(node: unknown, path: readonly Step[] = []): readonly (readonly Step[])[] {
  if (isMap(node))
    return [
      path,
      ...node.items.flatMap(({ key, value }) => (isScalar(key) ? places(value, [...path, String(key.value)]) : [])),
    ];
  if (isSeq(node)) return [path, ...node.items.flatMap((item, index) => places(item, [...path, index]))];
  return [path];
}

/** What was read, or what is wrong with it: always one of them, and printable. */
function verify(text: string): void {
  const { cluster, diagnostics } = loadRuleText("a.yaml", text, DEFAULTS);
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  expect(cluster === undefined).toBe(errors.length > 0);
  for (const one of diagnostics) {
    expect(one.line).toBeGreaterThan(0);
    expect(one.column).toBeGreaterThan(0);
    expect(one.message).not.toMatch(/undefined|\[object/);
    formatDiagnostic(one);
  }
  // What was read can be recorded: it is JSON.
  if (cluster) expect(JSON.parse(JSON.stringify(cluster.rules))).toEqual(cluster.rules);
}

function run(property: fc.IProperty<[string]> | fc.IProperty<[string, unknown]>, runs: number): void {
  const result = fc.check(property as fc.IProperty<unknown>, { numRuns: runs });
  console.log(`garbage: ${result.numRuns} files, seed ${result.seed}`);
  expect(result.failed, fc.defaultReportMessage(result) ?? "").toBe(false);
}

it("garbage in any place of a good file is told, never thrown", { timeout: TIMEOUT }, () => {
  const documents = FILES.map((text) => ({ text, places: places(parseDocument(text).contents) }));
  const broken = fc.tuple(fc.constantFrom(...documents), fc.nat(), garbage).map(([document, at, value]) => {
    const changed = parseDocument(document.text);
    const path = document.places[at % document.places.length] ?? [];
    if (path.length === 0) return stringify(value);
    changed.setIn(path, changed.createNode(value));
    return changed.toString();
  });
  run(fc.property(broken, verify), FULL ? 10_000 : 400);
});

it("every place of every file with another value", { timeout: TIMEOUT }, () => {
  const values = [null, [], {}, "x", -1, true, [[]], { x: [] }, Number.NaN];
  let files = 0;
  for (const text of FILES) {
    for (const [index, path] of places(parseDocument(text).contents).entries()) {
      if (path.length === 0) continue;
      for (const value of FULL ? values : values.slice(index % values.length, (index % values.length) + 1)) {
        const changed = parseDocument(text);
        changed.setIn(path, changed.createNode(value));
        verify(changed.toString());
        files++;
      }
    }
  }
  console.log(`garbage: ${files} files`);
  expect(files).toBeGreaterThan(500);
});

it("text of any kind is no rule file, and no end of the program", { timeout: TIMEOUT }, () => {
  run(fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.lorem()), verify), FULL ? 10_000 : 200);
});
