import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clashBetween, overlapsWith } from "../../src/config/clash.ts";
import { loadRuleTexts } from "../../src/config/rules.ts";
import { matchesGlob } from "../../src/lib/globs.ts";
import { DEFAULTS } from "./loading.ts";

/** What is told of two files with one pattern each. */
function told(first: string, second: string): readonly string[] {
  const texts = [first, second].map((row, index) => ({
    name: `${"ab"[index]}.yaml`,
    text: `version: 1\ncluster_id: c${index}\nhaproxy: [{${row}}]\nalarms: []\n`,
  }));
  return loadRuleTexts(texts, DEFAULTS).diagnostics.map(
    ({ file, line, column, severity, code, message }) => `${file}:${line}:${column} ${severity} ${code} ${message}`,
  );
}

const SURE = "b.yaml:3:11 error E208 these rows belong to the cluster of a.yaml already";
const possible = (own: string, theirs: string) =>
  `b.yaml:3:11 warning W009 a row may fit ${own} and ${theirs} of a.yaml, too`;

it.each([
  ["proxy: web", "proxy: web", [SURE]],
  ["proxy: web", "frontend: web", [SURE]],
  ["frontend: web", "backend: web", []],
  ["proxy: web", "proxy: shop", []],
  ["proxy: 'web*'", "proxy: web_1", [SURE]],
  ["backend: web_1", "proxy: 'web*'", [SURE]],
  ["proxy: 'web*'", "proxy: 'web_*'", [SURE]],
  ["proxy: 'web?'", "proxy: web", []],
  ["proxy: 'c832ed78*'", "backend: 'c832ed79*'", []],
  ["proxy: 'web*'", "proxy: '*_cluster'", [possible("proxy *_cluster", "proxy web*")]],
  ["frontend: '?x*'", "proxy: '*x'", [possible("proxy *x", "frontend ?x*")]],
  ["proxy: web, source: lb1", "proxy: web, source: lb2", []],
  ["proxy: web, source: lb1", "proxy: web", [SURE]],
  ["proxy: web, source: 'lb*'", "proxy: web, source: lb2", [SURE]],
  ["proxy: web, source: 'lb?'", "proxy: web, source: '*1'", [possible("proxy web", "proxy web")]],
  ["proxy: web, source: amphorae", "proxy: web, source: 'amphorae:/run/*'", [SURE]],
  ["proxy: web, source: amphorae", "proxy: web, source: 'neutron:/run/*'", []],
])("%s beside %s", (first, second, says) => {
  expect(told(first, second)).toEqual(says);
});

describe("whatever two patterns are", () => {
  const glob = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), minLength: 1, maxLength: 4 });
  const name = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 5 });
  const claims = (clusterId: string, pattern: string) => ({
    clusterId,
    file: `${clusterId}.yaml`,
    rows: [{ kind: "proxy", pattern, source: undefined } as const],
  });

  it("a row that fits both was told of, and where nothing was told none does", () => {
    const known = fc.property(glob, glob, name, (a, b, row) => {
      if (!matchesGlob(row, a) || !matchesGlob(row, b)) return;
      const [first, second] = [claims("one", a), claims("two", b)];
      const isTold = clashBetween(second, first) !== undefined || overlapsWith(second, first).length > 0;
      expect(isTold).toBe(true);
    });
    fc.assert(known, { numRuns: process.env.TOCSIN_TEST_FULL ? 50_000 : 2000 });
  });

  it("is never both an error and a warning", () => {
    const one = fc.property(glob, glob, (a, b) => {
      const [first, second] = [claims("one", a), claims("two", b)];
      if (clashBetween(second, first)) expect(overlapsWith(second, first)).toEqual([]);
    });
    fc.assert(one, { numRuns: 500 });
  });
});

describe("alarms that look further back than series are kept", () => {
  const rules = (words: string) =>
    loadRuleTexts(
      [
        {
          name: "a.yaml",
          text: `version: 1
cluster_id: web
haproxy: [{proxy: web}]
alarms:
  - {name: far, meter_name: network.services.lb.active.connections, threshold: 1, comparison_operator: gt, ${words}}
`,
        },
      ],
      { ...DEFAULTS, keptS: 3600 },
    ).diagnostics.map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`);

  it.each([
    ["period: 60, evaluation_periods: 59", []],
    ["period: 60, evaluation_periods: 60", ['5:5 W010 alarm "far" looks back 1h1m, and series are kept for 1h']],
    [
      "period: 60, evaluation_periods: 31, exclude_outliers: true",
      ['5:5 W010 alarm "far" looks back 1h2m, and series are kept for 1h'],
    ],
  ])("%s", (words, says) => expect(rules(words)).toEqual(says));
});
