/** `collector.families` of `tocsin.yaml`: rules of naming that make clusters without rule files. */

import { z } from "zod";
import { parseTemplate, placeholdersOf } from "../lib/templates.ts";
import type { Family } from "../model/family.ts";
import type { Path } from "./explain.ts";
import { didYouMean } from "./explain.ts";
import { name } from "./fields.ts";
import type { Written } from "./written.ts";
import { hasWord, meansWord, writtenMaps } from "./written.ts";
import type { YamlFile } from "./yamlFile.ts";

const template = name.refine(
  (text) => parseTemplate(text) !== undefined,
  "a placeholder is a word in braces, such as {service}",
);

/** Where one of two placeholders without a text between them ends, nobody can say. */
const pattern = template.refine(
  (text) => !/\}\{/.test(text),
  "two placeholders stand without a text between them: which part is whose is anybody's guess",
);

/** One entry as it is written. */
export const familyFields = z.strictObject({
  proxy: pattern.optional(),
  frontend: pattern.optional(),
  backend: pattern.optional(),
  source: name.optional(),
  cluster_id: template,
  cluster_name: template.optional(),
});

type FamilyFields = z.infer<typeof familyFields>;

const KINDS = ["proxy", "frontend", "backend"] as const;

/** Checks that each entry names one kind of rows, and no placeholder that they have not. They stand, as written, at `place`. */
export function checkFamilies(file: YamlFile, place: Path, families: unknown): void {
  for (const [path, family] of writtenMaps(families, place)) {
    checkFamily(file, (...words) => [...path, ...words], family);
  }
}

function checkFamily(file: YamlFile, at: (...words: Path) => Path, family: Written): void {
  const [kind, ...more] = KINDS.filter((word) => hasWord(family, word));
  if (kind === undefined) {
    const words = Object.keys(familyFields.shape);
    if (KINDS.some((word) => meansWord(family, word, words))) return;
    const hint = 'add "proxy:", or "frontend:" or "backend:"';
    file.error(at(), "E104", "a family says which proxies it is about", hint);
    return;
  }
  for (const word of more)
    file.error(at(word), "E108", `this family is about ${kind} already`, "one family for each of them");
  // What is no template is told by the schema, and so is what fits none.
  const known = placeholders(template.safeParse(family[kind]).data);
  if (known === undefined) return;
  const again = known.find((one, position) => known.indexOf(one) < position);
  if (again !== undefined) file.error(at(kind), "E103", `{${again}} stands twice in "${kind}"`, "name one otherwise");
  for (const word of ["cluster_id", "cluster_name"] as const)
    checkTemplate(file, at(word), template.safeParse(family[word]).data, kind, known);
}

function checkTemplate(
  file: YamlFile,
  path: Path,
  text: string | undefined,
  kind: string,
  known: readonly string[],
): void {
  const word = String(path.at(-1));
  if (text !== undefined && /[*?]/.test(text))
    file.error(path, "E103", `"${word}" takes {placeholders} of "${kind}", no * and no ?`);
  for (const one of placeholders(text) ?? []) {
    if (known.includes(one)) continue;
    const has = known.length > 0 ? `it has ${known.map((each) => `{${each}}`).join(", ")}` : "it has none";
    file.error(path, "E103", `"${word}": there is no {${one}} in "${kind}"`, didYouMean(one, known, has));
  }
}

function placeholders(text: string | undefined): readonly string[] | undefined {
  return text === undefined ? undefined : placeholdersOf(parseTemplate(text) ?? []);
}

/** The family of words that `checkFamilies` finds nothing wrong with. */
export function familyOf(fields: FamilyFields): Family {
  const { proxy, frontend, backend, source, cluster_id: clusterId, cluster_name: clusterName } = fields;
  const kind = proxy === undefined ? (frontend === undefined ? "backend" : "frontend") : "proxy";
  return { kind, pattern: proxy ?? frontend ?? backend ?? "", source, clusterId, clusterName };
}
