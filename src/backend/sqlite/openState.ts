/** `state.db` as the service opens it: the folder is its own, and what it finds damaged is set aside. */

import { join } from "node:path";
import { hasContent } from "./database.ts";
import { examine, type Found } from "./examine.ts";
import { lockFolder } from "./lock.ts";
import { type Mark, readMark } from "./mark.ts";
import { isSuspect, setAside, suspect, trust } from "./setAside.ts";
import { StateDb } from "./stateDb.ts";
import { STATE_SCHEMA } from "./stateSchema.ts";

export interface OpenedState {
  readonly db: StateDb;
  /** One sentence for each file that was set aside. */
  readonly damaged: readonly string[];
  /** The machine went down while the file was in use. */
  readonly isSuspect: boolean;
  /** Something has been committed. */
  readonly isUsed: boolean;
  close(): void;
}

/**
 * Opens the record. Throws `E303` when another process holds the folder, `E304` for a file of another version.
 * `at`: now, epoch ms.
 */
export function openState(folder: string, options: { readonly lock: boolean; readonly at: number }): OpenedState {
  if (!options.lock) {
    const db = new StateDb(folder, { keepsMark: false });
    return { db, damaged: [], isSuspect: false, isUsed: false, close: () => db.close() };
  }
  const lock = lockFolder(folder);
  try {
    const mark = readMark(folder);
    const doubtful = isSuspect(folder, "state") || mark?.isClean === false;
    const reason = damageOf(examine(join(folder, "state.db"), STATE_SCHEMA, doubtful), mark, folder);
    const damaged = reason === undefined ? [] : [setStateAside(folder, reason, options.at)];
    trust(folder, "state");
    const db = new StateDb(folder, { keepsMark: true, onDamage: () => suspect(folder, "state") });
    const close = () => {
      db.close();
      lock.close();
    };
    return { db, damaged, isSuspect: mark?.isClean === false, isUsed: db.commits > 0, close };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Why the file is not to be trusted; `undefined`: it is. */
function damageOf(found: Found, mark: Mark | undefined, folder: string): string | undefined {
  switch (found.kind) {
    case "damaged":
      return found.reason;
    case "nothing":
      if (mark && mark.commits > 0) return "it is missing or empty";
      return hasContent(join(folder, "metrics.db")) ? "it is missing or empty, and metrics.db is not" : undefined;
    case "intact":
      if (!mark || found.id === undefined) return undefined;
      if (mark.id !== found.id) return "it, or its -wal, is not the one that was in use";
      return found.commits < mark.commits
        ? `its last ${mark.commits - found.commits} commits are missing: its -wal is gone or damaged`
        : undefined;
  }
}

/** The series go with the record: their ticks are numbered by its sequence. */
function setStateAside(folder: string, reason: string, at: number): string {
  const where = setAside(folder, ["state", "metrics"], at);
  return (
    `state.db is damaged (${reason}): ${where}; new files are begun. Lost to the service: the states of alarms (all ` +
    "begin at insufficient data), what the lanes were doing (an action under way may be asked for again), notices " +
    "not yet sent, history and series"
  );
}
