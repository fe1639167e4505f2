import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../src/config/diagnostics.ts";
import { masked } from "../../src/config/masking.ts";
import { loadRuleTexts } from "../../src/config/rules.ts";
import { DEFAULTS, HEAD } from "./loading.ts";

describe("a line as diagnostics show it", () => {
  it.each([
    ['alarm_url: "http://user:pass@h/x"', 'alarm_url: "http://*********@h/x"'],
    ["  - http://h/x?V=2&token=abc", "  - http://h/x?V=*&token=***"],
    ['{alarm_url: "http://h/x?abc", class: notice}', '{alarm_url: "http://h/x?***", class: notice}'],
    ["note: whsec_c2hvcnQ= is it", "note: whsec_******** is it"],
    ["sign: {scheme: x, secret: s3cret}", "sign: {scheme: x, secret: ******}"],
    ["    password: a b # c", "    password: * * * *"],
    ['headers: {"Authorization": "Bearer abc"}', 'headers: {"Authorization": "****** ***"}'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as rule files have it
    ['Authorization: "Bearer ${env:TOKEN}"', 'Authorization: "****** ${env:TOKEN}"'],
    ["X-Auth-Token: abc", "X-Auth-Token: ***"],
    ["threshold: 5 # see http://h/doc", "threshold: 5 # see http://h/doc"],
  ])("%s", (line, shown) => {
    expect(masked(line)).toBe(shown);
    expect(shown).toHaveLength(line.length);
  });

  it.each(["secret:", "secret: >-", '"Authorization": |'])("whose value began before: %s", (before) => {
    expect(masked("  abc d", before)).toBe("  *** *");
  });
});

it("no diagnostic shows a secret, and the caret stays where it was", () => {
  const text = `${HEAD}receivers:\n  ops: {alarm_url: "http://u:hush@h/x?k=hush", sign: {scheme: none, secret: whsec_hush}}\nalarms: []\n`;
  const { diagnostics } = loadRuleTexts([{ name: "a.yaml", text }], DEFAULTS);
  expect(diagnostics.length).toBeGreaterThan(0);
  const shown = diagnostics.map((one) => formatDiagnostic(one)).join("\n");
  expect(shown).not.toContain("hush");
  const [line, caret] = shown.split("\n").slice(-2);
  expect(line?.slice(caret?.indexOf("^"))).toMatch(/^none/);
  expect(diagnostics.map((one) => formatDiagnostic({ ...one, excerpt: [] })).join("\n")).not.toMatch(/\^|ops:/);
});
