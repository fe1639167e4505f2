import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { meterDocs } from "../scripts/meterDocs.ts";
import { loadRules } from "../src/config/rules.ts";
import { loadSettings } from "../src/config/settings.ts";
import { temporaryFolder } from "./helpers/sockets.ts";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

it("docs/meters.md is what the meter table makes", () => {
  expect(read("docs/meters.md")).toBe(meterDocs());
});

it("docs/errors.md lists exactly the codes of the program", () => {
  const sources = readdirSync(new URL("../src", import.meta.url), { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith(".ts"),
  );
  const used = new Set(
    sources.flatMap((name) => read(`src/${name}`).match(/"[ELW]\d{3}"/g) ?? []).map((code) => code.slice(1, -1)),
  );
  const listed = new Set(
    read("docs/errors.md")
      .match(/^\| [ELW]\d{3}/gm)
      ?.map((row) => row.slice(2)),
  );
  expect([...listed].sort()).toEqual([...used].sort());
});

it("docs/dependencies.md justifies exactly the dependencies", () => {
  const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<string, Record<string, string>>;
  const listed =
    read("docs/dependencies.md")
      .match(/^\| `[^`]+`/gm)
      ?.map((row) => row.slice(3, -1)) ?? [];
  expect(listed.toSorted()).toEqual(
    [...Object.keys(dependencies ?? {}), ...Object.keys(devDependencies ?? {})].toSorted(),
  );
});

it("every rule number that the code names is stated in docs/semantics.md", () => {
  const sources = readdirSync(new URL("../src", import.meta.url), { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith(".ts"),
  );
  const named = sources.flatMap((name) => [
    ...read(`src/${name}`).matchAll(/\b[rR]ules? ((?:[TEJALDRN]\d(?:[–,]\s?|\s?and\s?)?)+)/g),
  ]);
  const numbers = new Set(named.flatMap(([, list]) => list?.match(/[TEJALDRN]\d/g) ?? []));
  const stated = new Set(
    [...read("docs/semantics.md").matchAll(/\*\*([TEJALDRN]\d)\*\*/g)].map(([, number]) => number),
  );
  expect([...numbers].filter((number) => !stated.has(number))).toEqual([]);
  expect(numbers.size).toBeGreaterThan(20);
});

it("the files that the documents show are in order", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "file.yaml");
  const defaults = { repeatIntervalS: 60, timeoutS: 30, intervalS: 10, environment: {} };
  const shown = ["README.md", "docs/configuration.md", "docs/operations.md"].flatMap((page) => [
    ...read(page).matchAll(/```yaml\n([\s\S]*?)```/g),
  ]);
  expect(shown).toHaveLength(12);
  for (const [, text = ""] of shown) {
    writeFileSync(path, text);
    const isRules = text.startsWith("version:");
    const { diagnostics } = isRules ? loadRules([path], folder.path, defaults) : loadSettings(path, folder.path);
    expect(diagnostics).toEqual([]);
  }
});

it("each process of docs/operations.md and deploy/ is what it is said to be", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "tocsin.yaml");
  const rolesOf = (text: string) => {
    writeFileSync(path, text);
    const { settings, diagnostics } = loadSettings(path, folder.path);
    expect(diagnostics).toEqual([]);
    return settings?.roles;
  };
  const shown = [...read("docs/operations.md").matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) =>
    rolesOf(text),
  );
  const all = ["collector", "engine", "api"];
  expect(shown).toEqual([all, all, ["engine", "api"], ["api"], ["collector"]]);
  const { configs } = parse(read("deploy/compose.yaml"), { merge: true }) as {
    configs: { tocsin: { content: string } };
  };
  expect(rolesOf(configs.tocsin.content)).toEqual(all);
});
