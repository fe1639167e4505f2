import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { TocsinError } from "../../lib/errors.ts";
import { openDatabase } from "./database.ts";

/**
 * Holds the folder for one process (rule R6): the kernel frees it when the process dies, however it dies. Throws
 * `E303` while another process holds it.
 */
export function lockFolder(folder: string): DatabaseSync {
  const pidFile = join(folder, "tocsin.pid");
  const lock = openDatabase(join(folder, "lock.db"), ["busy_timeout=0", "locking_mode=EXCLUSIVE"]);
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if ((error as { errcode?: unknown }).errcode !== SQLITE_BUSY) throw error;
    throw new TocsinError(
      "E303",
      `another tocsin (pid ${readPid(pidFile)}) works on ${folder}: stop it, or set store.path`,
      { cause: error },
    );
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return lock;
}

const SQLITE_BUSY = 5;

function readPid(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "unknown";
  }
}
