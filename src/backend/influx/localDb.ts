/**
 * What is kept here beside a store that is elsewhere, in `influx.db`: lines that it has not taken yet, which numbers ticks
 * have by their labels, how far they are rolled up, and raw counters. It is written before anything is promised, and
 * outlives the process; it is not synced, for a power cut costs no more than the newest series.
 */

import { renameSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { messageOf, systemCode, TocsinError } from "../../lib/errors.ts";
import type { Logger } from "../../ports.ts";
import { openDatabase } from "../sqlite/database.ts";

const VERSION = 1;

const SCHEMA = `
CREATE TABLE spool(id INTEGER PRIMARY KEY AUTOINCREMENT, lines INTEGER NOT NULL, bytes INTEGER NOT NULL,
  sum INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE aside(id INTEGER PRIMARY KEY, reason TEXT NOT NULL, line TEXT NOT NULL) STRICT;
CREATE TABLE label(kind INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY(kind, number)) STRICT, WITHOUT ROWID;
CREATE TABLE cluster(kind INTEGER NOT NULL, id TEXT NOT NULL, number INTEGER NOT NULL, adopted INTEGER NOT NULL,
  PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID;
CREATE TABLE progress(kind INTEGER PRIMARY KEY, number INTEGER NOT NULL) STRICT;
CREATE TABLE again(kind INTEGER NOT NULL, cluster TEXT NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY(kind, cluster, until)) STRICT, WITHOUT ROWID;
CREATE TABLE baseline(cluster TEXT NOT NULL, source TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL,
  doc TEXT NOT NULL, PRIMARY KEY(cluster, source)) STRICT;
PRAGMA user_version = ${VERSION};
`;

/** Opens it, or begins a new one where it is damaged or another version's. Throws `E676` where neither can be. */
export function openLocal(file: string, log: Logger): DatabaseSync {
  try {
    return opened(file);
  } catch (error) {
    const aside = `${file}.aside`;
    try {
      for (const suffix of ["", "-wal", "-shm"]) moved(`${file}${suffix}`, `${aside}${suffix}`);
      const database = opened(file);
      const reason = messageOf(error);
      log.error("what waited for the store of series cannot be read: it was set aside", { file: aside, reason });
      return database;
    } catch (again) {
      throw new TocsinError("E676", `cannot open ${file}: ${messageOf(again)}`, { cause: again });
    }
  }
}

function moved(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
}

function opened(file: string): DatabaseSync {
  const pragmas = [
    "auto_vacuum = INCREMENTAL",
    "journal_mode = WAL",
    "synchronous = OFF",
    "journal_size_limit = 16777216",
  ];
  const database = openDatabase(file, pragmas);
  try {
    const version = database.prepare("PRAGMA user_version").get()?.user_version;
    const tables = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.n;
    if (tables === 0) database.exec(SCHEMA);
    else if (version !== VERSION) throw new Error(`it is of version ${version}, not ${VERSION}`);
    const check = database.prepare("PRAGMA quick_check(1)").get()?.quick_check;
    if (check !== "ok") throw new Error(`it is damaged: ${check}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
