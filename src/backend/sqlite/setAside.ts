/** Damaged files are moved, never mended and never removed: what they still hold is a person's to read. */

import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rfc3339 } from "../../lib/clock.ts";
import { MARK_FILE } from "./mark.ts";

export type FileName = "state" | "metrics";

/**
 * Moves databases, with all that belongs to them, into a folder of their own, and returns in words where they are.
 * The first of them is the one that is damaged, and is `isLost` from before anything is moved until that is `covered`.
 * `at`: now, epoch ms.
 */
export function setAside(folder: string, names: readonly [FileName, ...FileName[]], at: number): string {
  // A start that ends before scaling is paused, however it ends, must not leave a folder that looks like a new one.
  writeFileSync(flagOf(folder, names[0], "lost"), "", { mode: 0o600 });
  const files = names.flatMap((name) => [
    ...["", "-wal", "-shm", "-journal"].map((end) => `${name}.db${end}`),
    ...(name === "state" ? [MARK_FILE] : []),
  ]);
  const present = files.filter((file) => existsSync(join(folder, file)));
  if (present.length === 0) return "nothing is left of it";
  const aside = newFolder(join(folder, `damaged-${rfc3339(at).replaceAll(":", "")}`));
  for (const file of present) renameSync(join(folder, file), join(aside, file));
  return `${present.filter((file) => !file.endsWith("-shm")).join(", ")} moved to ${aside}`;
}

/** Removes `state.db` and all that belongs to it: only where it is an index of what is kept elsewhere. */
export function removeState(folder: string): void {
  for (const end of ["", "-wal", "-shm", "-journal"]) rmSync(join(folder, `state.db${end}`), { force: true });
  rmSync(join(folder, MARK_FILE), { force: true });
  trust(folder, "state");
}

/** An existing one is not written into. */
function newFolder(path: string): string {
  for (let n = 1; ; n++) {
    const own = n === 1 ? path : `${path}-${n}`;
    if (existsSync(own)) continue;
    mkdirSync(own, { mode: 0o700 });
    return own;
  }
}

function flagOf(folder: string, name: FileName, flag: "suspect" | "lost"): string {
  return join(folder, `${name}.${flag}`);
}

/** Whether a file was set aside and what protects from it is not durable yet. */
export function isLost(folder: string, name: FileName): boolean {
  return existsSync(flagOf(folder, name, "lost"));
}

/** What protects from the loss is durable. */
export function covered(folder: string): void {
  for (const name of ["state", "metrics"] as const) rmSync(flagOf(folder, name, "lost"), { force: true });
}

/** Damage was met while the file was in use: the next start does not take it as it is, however large it is. */
export function suspect(folder: string, name: FileName): void {
  try {
    writeFileSync(flagOf(folder, name, "suspect"), "", { mode: 0o600 });
  } catch {
    // Then the next start sees what it sees.
  }
}

export function isSuspect(folder: string, name: FileName): boolean {
  return existsSync(flagOf(folder, name, "suspect"));
}

export function trust(folder: string, name: FileName): void {
  rmSync(flagOf(folder, name, "suspect"), { force: true });
}
