/** Damaged files are moved, never mended and never removed: what they still hold is a person's to read. */

import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rfc3339 } from "../../lib/clock.ts";
import { MARK_FILE } from "./mark.ts";

export type FileName = "state" | "metrics";

/**
 * Moves databases, with all that belongs to them, into a folder of their own, and returns in words where they are.
 * `at`: now, epoch ms.
 */
export function setAside(folder: string, names: readonly FileName[], at: number): string {
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

/** An existing one is not written into. */
function newFolder(path: string): string {
  for (let n = 1; ; n++) {
    const own = n === 1 ? path : `${path}-${n}`;
    if (existsSync(own)) continue;
    mkdirSync(own, { mode: 0o700 });
    return own;
  }
}

function suspectFile(folder: string, name: FileName): string {
  return join(folder, `${name}.suspect`);
}

/** Damage was met while the file was in use: the next start looks at all of it, however large it is. */
export function suspect(folder: string, name: FileName): void {
  try {
    writeFileSync(suspectFile(folder, name), "", { mode: 0o600 });
  } catch {
    // Then the next start sees what it sees.
  }
}

export function isSuspect(folder: string, name: FileName): boolean {
  return existsSync(suspectFile(folder, name));
}

export function trust(folder: string, name: FileName): void {
  rmSync(suspectFile(folder, name), { force: true });
}
