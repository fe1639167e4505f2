/**
 * `state.mark`, the witness beside `state.db`: which file it is, and how many commits it held last. It is written
 * after each commit and never synced, so it may be behind, never ahead: a file with fewer commits has lost some
 * (its -wal is gone, cut or another's).
 */

import { closeSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";

export interface Mark {
  readonly id: string;
  readonly commits: number;
  /** The last end was in order, or the machine has been up since: nothing that was written can have been lost on its way to the disk. */
  readonly isClean: boolean;
}

export const MARK_FILE = "state.mark";

/** What the mark says; `undefined`: there is none that can be read. */
export function readMark(folder: string): Mark | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, MARK_FILE), "utf8");
  } catch {
    return undefined;
  }
  const [, body = "", sum] = /^(.*) (\d+)\n$/.exec(text) ?? [];
  if (crc32(body) !== Number(sum)) return undefined;
  const [id = "", commits, ended, boot] = body.split(" ");
  return { id, commits: Number(commits), isClean: ended === "stopped" || boot === bootId() };
}

/** Keeps the mark while a file is open. What cannot be written is left: an old mark is a true one. */
export class MarkWriter {
  readonly #file: number | undefined;
  readonly #id: string;
  readonly #boot = bootId();
  #commits: number;

  constructor(folder: string, id: string, commits: number) {
    this.#id = id;
    this.#commits = commits;
    const path = join(folder, MARK_FILE);
    try {
      // A whole new one takes the place of the old: no moment has half of one.
      writeFileSync(`${path}.new`, this.#text("running"), { mode: 0o600 });
      renameSync(`${path}.new`, path);
      this.#file = openSync(path, "r+");
    } catch {
      this.#file = undefined;
    }
  }

  write(commits: number): void {
    this.#commits = commits;
    this.#put("running");
  }

  close(): void {
    this.#put("stopped");
    if (this.#file !== undefined) closeSync(this.#file);
  }

  #put(ended: "running" | "stopped"): void {
    if (this.#file === undefined) return;
    try {
      writeSync(this.#file, this.#text(ended), 0);
    } catch {
      // As above.
    }
  }

  /** Always of the same length: it is written over. */
  #text(ended: "running" | "stopped"): string {
    const body = `${this.#id} ${String(this.#commits).padStart(16, "0")} ${ended} ${this.#boot}`;
    return `${body} ${String(crc32(body)).padStart(10, "0")}\n`;
  }
}

/** Tells this run of the machine from others. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "unknown";
  }
}
