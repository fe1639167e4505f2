/**
 * Which version of each rule file may be in force beside the others. Each file's newest good reading is wanted; where
 * two claim the same, what was in force before stays, and the newcomer falls back to its own version before, or has
 * none. Two newcomers that give and take from each other in one change do not clash.
 */

import type { Clash } from "./clash.ts";
import { clashBetween } from "./clash.ts";
import type { KnownFile, Version } from "./reconcile.ts";

export interface Settled {
  /** In force, by name of the file. */
  readonly versions: ReadonlyMap<string, Version>;
  /** Why the newest good reading of a file is not, by name. */
  readonly refusals: ReadonlyMap<string, Clash>;
}

/** Settles it for these files, in order of names: of two that are both new the first goes first. */
export function settle(files: readonly KnownFile[]): Settled {
  const versions = new Map<string, Version>();
  const refusals = new Map<string, Clash>();
  for (const file of files) {
    const version = wantedOf(file);
    if (version) versions.set(file.name, version);
  }
  for (let loser = loserAmong(files, versions); loser; loser = loserAmong(files, versions)) {
    const { name, good } = loser.file;
    refusals.set(name, loser.clash);
    if (good && versions.get(name) !== good) versions.set(name, good);
    else versions.delete(name);
  }
  for (const gone of files.filter(({ stamp }) => stamp === undefined))
    if (files.some((file) => hasTakenOver(file, gone, versions))) versions.delete(gone.name);
  return { versions, refusals };
}

/** A file that is gone can only keep what it had. */
function wantedOf({ stamp, read, good }: KnownFile): Version | undefined {
  return stamp !== undefined && read?.reading.kind === "good" ? read.reading.version : good;
}

function loserAmong(
  files: readonly KnownFile[],
  versions: ReadonlyMap<string, Version>,
): { readonly file: KnownFile; readonly clash: Clash } | undefined {
  const isNew = (file: KnownFile) => versions.get(file.name) !== file.good;
  for (const file of files.filter(isNew)) {
    for (const other of files) {
      if (other === file || isRenamed(other, file, versions)) continue;
      const clash = clashOf(versions.get(file.name), versions.get(other.name));
      if (!clash) continue;
      if (isNew(other) && goesBefore(file, other, versions)) continue;
      return { file, clash };
    }
  }
  return undefined;
}

/** Of two newcomers: who had before what the other wants now, else the first by name. */
function goesBefore(file: KnownFile, other: KnownFile, versions: ReadonlyMap<string, Version>): boolean {
  const hadIt = clashOf(versions.get(other.name), file.good) !== undefined;
  const otherHadIt = clashOf(versions.get(file.name), other.good) !== undefined;
  return hadIt === otherHadIt ? file.name < other.name : hadIt;
}

function clashOf(newcomer: Version | undefined, holder: Version | undefined): Clash | undefined {
  return newcomer && holder && clashBetween(newcomer.cluster.rules, holder.cluster.rules);
}

/** `other` is gone, and `file` came with its cluster when it went. */
function isRenamed(other: KnownFile, file: KnownFile, versions: ReadonlyMap<string, Version>): boolean {
  return hasTakenOver(file, other, versions) && file.since >= other.since;
}

function hasTakenOver(file: KnownFile, gone: KnownFile, versions: ReadonlyMap<string, Version>): boolean {
  if (file === gone || gone.stamp !== undefined || file.stamp === undefined) return false;
  const [own, theirs] = [versions.get(file.name), versions.get(gone.name)];
  return own !== undefined && own.cluster.rules.clusterId === theirs?.cluster.rules.clusterId;
}
