/** Whether the words of each entry of `collector.sources` go together. */

import type { Path } from "./explain.ts";
import { sourceFields } from "./sourceFields.ts";
import { meaningOf } from "./sourceWords.ts";
import type { Written } from "./written.ts";
import { hasWord, meansWord, writtenMap, writtenMaps } from "./written.ts";
import type { YamlFile } from "./yamlFile.ts";

const KINDS = ["socket", "tcp", "url", "prometheus"] as const;
const WORDS = Object.keys(sourceFields.shape);

/** Checks that the words of each entry, which stand as written at `place`, say one thing. */
export function checkSources(file: YamlFile, place: Path, sources: unknown): void {
  const seen = new Set<unknown>();
  for (const [path, entry] of writtenMaps(sources, place)) {
    const { name } = entry;
    const isName = sourceFields.shape.name.safeParse(name).success;
    if (isName && seen.has(name))
      file.error([...path, "name"], "E203", `there are two sources named "${String(name)}"`);
    seen.add(name);
    const title = isName ? `source "${String(name)}"` : `source ${Number(path.at(-1)) + 1}`;
    checkSource({ file, at: (...words) => [...path, ...words], entry, title });
  }
}

interface Looked {
  readonly file: YamlFile;
  readonly at: (...words: Path) => Path;
  readonly entry: Written;
  /** As people call it. */
  readonly title: string;
}

function checkSource(looked: Looked): void {
  const { file, at, entry, title } = looked;
  const [kind, ...more] = KINDS.filter((word) => hasWord(entry, word));
  if (kind === undefined) {
    // A misspelt word is told already.
    if (KINDS.some((word) => isMeant(entry, word))) return;
    const hint = 'add "socket:", or "tcp:", "url:" or "prometheus:"';
    file.error(at(), "E104", `${title} does not say where it is`, hint);
    return;
  }
  for (const word of more) file.error(at(word), "E108", `${title} has ${kind} already`, "one source for each of them");
  if (kind === "socket" || kind === "tcp") refuseWebWords(looked, kind);
  else checkWebWords(looked, entry[kind]);
}

function refuseWebWords({ file, at, entry, title }: Looked, kind: string): void {
  for (const word of ["username", "password", "tls"].filter((one) => hasWord(entry, one)))
    file.error(at(word), "E108", `"${word}" is for url and prometheus: ${title} has ${kind}`, `remove ${word}`);
}

function checkWebWords({ file, at, entry, title }: Looked, url: unknown): void {
  const missing = (word: string, beside: string) => {
    if (hasWord(entry, beside) && !isMeant(entry, word))
      file.error(at(), "E104", `${word} is missing beside ${beside} in ${title}`, `add "${word}:"`);
  };
  missing("password", "username");
  missing("username", "password");
  const isPlain = typeof url === "string" && /^http:/i.test(url);
  if (isPlain && hasWord(writtenMap(entry.tls), "ca_file"))
    file.error(at("tls", "ca_file"), "E108", `${title} is asked without TLS`, "write https://, or remove tls");
}

function isMeant(entry: Written, word: string): boolean {
  return meansWord(entry, word, WORDS, meaningOf);
}
