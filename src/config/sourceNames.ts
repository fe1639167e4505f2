/** Names of sources that patterns of rows mention: whether there are such. */

import { globsMeet, isGlob, literalPrefix, matchesGlob } from "../lib/globs.ts";
import type { SourceEntry } from "../model/source.ts";
import type { Path } from "./explain.ts";
import { didYouMean } from "./explain.ts";
import type { YamlFile } from "./yamlFile.ts";

/** The sources of `tocsin.yaml`, by name. */
export type KnownSources = ReadonlyMap<string, SourceEntry>;

/** Most names that a hint tells. */
const MOST_TOLD = 5;

/** The entries as patterns are held against them. */
export function knownSources(entries: readonly SourceEntry[]): KnownSources {
  return new Map(entries.map((entry) => [entry.name, entry]));
}

/** Warns of a `source:` at `path` that nothing can come of; `known` absent: that cannot be said. */
export function checkSourceName(file: YamlFile, path: Path, source: string | undefined, known?: KnownSources): void {
  // Without any source there is nothing to compare with, and one word of that is enough.
  if (source === undefined || known === undefined || known.size === 0 || fits(source, known)) return;
  const names = [...known.keys()];
  const told = `${names.slice(0, MOST_TOLD).join(", ")}${names.length > MOST_TOLD ? ", …" : ""}`;
  const hint = didYouMean(source, names, `collector.sources has ${told}`);
  file.warn(path, "W011", `no source of tocsin.yaml fits "${source}": no row comes of it`, hint);
}

/** A source is meant by its entry's name or, where a glob makes several of one entry, by the whole of `name:path`. */
function fits(pattern: string, known: KnownSources): boolean {
  if (known.has(pattern)) return true;
  const begin = literalPrefix(pattern);
  const colon = begin.indexOf(":");
  // Names hold no colon: files are many, and so are sources.
  if (colon >= 0) return isPathOf(pattern, known.get(begin.slice(0, colon)));
  if (!isGlob(pattern)) return false;
  return [...known.values()].some((entry) => matchesGlob(entry.name, pattern) || isPathOf(pattern, entry));
}

function isPathOf(pattern: string, entry: SourceEntry | undefined): boolean {
  if (entry?.kind !== "socket" || !isGlob(entry.socket)) return false;
  return globsMeet(pattern, `${entry.name}:${entry.socket}`);
}
