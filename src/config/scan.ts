/** Looks at the rule files on disk, and reads one whole. */

import { constants } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf, systemCode } from "../lib/errors.ts";
import type { Reading, Scan, Version } from "./reconcile.ts";
import type { RuleDefaults } from "./ruleFile.ts";
import { isRuleFile, loadRuleText } from "./rules.ts";
import { YamlFile } from "./yamlFile.ts";

/** Larger files are refused without being read. */
const MAX_BYTES = 1024 * 1024;

/** A folder's rule files (their tests aside), or the one file that the path names, each with what tells a change. */
export async function scanRules(path: string): Promise<Scan> {
  try {
    const isFolder = (await stat(path)).isDirectory();
    const names = isFolder ? (await readdir(path)).filter(isRuleFile) : [basename(path)];
    const folder = isFolder ? path : dirname(path);
    const stamps = await Promise.all(names.map(async (name) => [name, await stampOf(join(folder, name))] as const));
    return { kind: "listed", stamps: new Map(stamps.flatMap(([name, stamp]) => (stamp ? [[name, stamp]] : []))) };
  } catch (error) {
    return { kind: "unreadable", reason: messageOf(error) };
  }
}

/** Changes whenever the file does; `undefined`: there is none. */
async function stampOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(":");
  } catch (error) {
    const code = systemCode(error);
    return code === "ENOENT" ? undefined : `unreadable: ${code}`;
  }
}

/** How a file is read: the path, its name within the folder and as shown to people. */
export interface RulePlace {
  readonly path: string;
  readonly name: string;
  readonly shownAs: string;
}

/**
 * Reads a file that has this stamp before and after; `undefined`: it has another, somebody is writing it. The text of
 * the version in force is that version, and is not parsed again.
 */
export async function readRule(
  place: RulePlace,
  stamp: string,
  defaults: RuleDefaults,
  good: Version | undefined,
): Promise<Reading | undefined> {
  if ((await stampOf(place.path)) !== stamp) return undefined;
  let text: string;
  try {
    text = await readWhole(place.path);
  } catch (error) {
    return brokenBecause(place, messageOf(error));
  }
  if ((await stampOf(place.path)) !== stamp) return undefined;
  return good?.text === text ? { kind: "good", version: good } : readingOf(place, text, defaults);
}

/** What a rule file with that text says. */
export function readingOf(place: Omit<RulePlace, "path">, text: string, defaults: RuleDefaults): Reading {
  const { cluster, diagnostics } = loadRuleText(place.shownAs, text, defaults);
  const warnings = diagnostics.filter(({ severity }) => severity === "warning");
  if (!cluster || warnings.length < diagnostics.length) return { kind: "broken", diagnostics };
  // The tree of the file has done its work, and is many times as large as what it says.
  const light = { ...cluster, file: YamlFile.parse("", place.shownAs) };
  return { kind: "good", version: { name: place.name, text, cluster: light, warnings } };
}

async function readWhole(path: string): Promise<string> {
  // A pipe of that name must not keep anybody waiting.
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const found = await file.stat();
  if (!found.isFile()) throw new Error("it is no file");
  if (found.size > MAX_BYTES) throw new Error(`the file has ${found.size} bytes, more than ${MAX_BYTES}`);
  return file.readFile("utf8");
}

function brokenBecause({ shownAs }: RulePlace, why: string): Reading {
  const file = YamlFile.parse("", shownAs);
  file.error([], "E105", `cannot read the file: ${why}`);
  return { kind: "broken", diagnostics: file.diagnostics };
}
