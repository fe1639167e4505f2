/** `state.db` as the service opens it: the folder is its own, and what it finds damaged is set aside. */

import { join } from "node:path";
import { hasContent } from "./database.ts";
import { examine, type Found } from "./examine.ts";
import { lockFolder } from "./lock.ts";
import { type Mark, readMark } from "./mark.ts";
import { isLost, isSuspect, removeState, setAside, suspect, trust } from "./setAside.ts";
import { StateDb } from "./stateDb.ts";
import { STATE_SCHEMA } from "./stateSchema.ts";

export interface OpenedState {
  readonly db: StateDb;
  /** A sentence when it was set aside, now or by a start that did not last. */
  readonly damaged: readonly string[];
  /** Something has been committed. */
  readonly isUsed: boolean;
  close(): void;
}

/** The record itself, or an index of one that is kept elsewhere; `empty`: whatever the file holds, it is begun anew. */
export type StateUse = "record" | "index" | "empty index";

/**
 * Opens the record. Throws `E303` when another process holds the folder, `E304` for a file of another version.
 * `at`: now, epoch ms.
 */
export function openState(folder: string, at: number, use: StateUse = "record"): OpenedState {
  if (use !== "record") return openIndex(folder, use);
  const lock = lockFolder(folder);
  try {
    const mark = readMark(folder);
    // Every decision follows from it: where there is a doubt, all of it is looked at.
    const doubtful = isSuspect(folder, "state") || mark?.isClean === false;
    const reason = damageOf(examine(join(folder, "state.db"), STATE_SCHEMA, doubtful), mark, folder);
    const damaged: string[] = [];
    if (reason !== undefined) damaged.push(setStateAside(folder, reason, at));
    else if (isLost(folder, "state"))
      damaged.push(`state.db was set aside by a start that ended before scaling was paused. ${HELD}`);
    trust(folder, "state");
    const db = new StateDb(folder, () => suspect(folder, "state"));
    const close = () => {
      db.close();
      lock.close();
    };
    return { db, damaged, isUsed: db.commits > 0, close };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** An index is made again from what it is an index of: where there is a doubt, it is removed. */
function openIndex(folder: string, use: StateUse): OpenedState {
  const lock = lockFolder(folder);
  try {
    const file = join(folder, "state.db");
    const mark = readMark(folder);
    const isWhole = () => {
      const found = examine(file, STATE_SCHEMA, false);
      // One of another version, too, is quicker made anew than understood.
      return found.kind === "intact" && found.id !== undefined && damageOf(found, mark, folder) === undefined;
    };
    const isKept = use === "index" && mark?.isClean === true && !isSuspect(folder, "state") && isWhole();
    if (!isKept) removeState(folder);
    const db = new StateDb(folder, () => suspect(folder, "state"), true);
    const close = () => {
      db.close();
      lock.close();
    };
    return { db, damaged: [], isUsed: db.commits > 0, close };
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
    "not yet sent, pauses by people, which sources there are or were forgotten (a silent one is waited for only " +
    `where expect is set), history and series. ${HELD}`
  );
}

const HELD = 'No cluster is scaled in until "tocsin resume CLUSTER --direction in"';
