/** What is not wrong but worth a word: pure functions over one or two looks at a source. */

import type { Dump, Row } from "./rows.ts";
import type { Failure } from "./transport.ts";

/** Seconds between two looks in which traffic that flows shows in the counters, with `option contstats`. */
export const CONTSTATS_S = 6;

/** Frontends that are named at the most. */
const MOST_NAMED = 5;

/** Hints that a failure alone gives. */
export function failureHints({ silent, code }: Failure): readonly string[] {
  if (silent) {
    const hint =
      "the connection stood and nothing came: all places of the stats socket may be taken; raise `stats maxconn`, which is 10 by default, or see who keeps connections open";
    return [hint];
  }
  if (code === "nbproc") {
    return [
      "nbproc shares one stats socket among processes: with nbthread there is one process, and one set of counters",
    ];
  }
  return [];
}

/**
 * Whether sessions are open at frontends that matter, so that a second look can tell more. `own`: sessions that we have
 * open ourselves by asking, at a frontend that is not known: one that does not matter, if any is open there.
 */
export function hasOpenSessions(dump: Dump, isWatched: (proxy: string) => boolean, own: number): boolean {
  let [watched, others] = [0, 0];
  for (const row of frontendsOf(dump)) {
    if (isWatched(row.proxy)) watched += numberIn(row, "scur");
    else others += numberIn(row, "scur");
  }
  return watched > Math.max(0, own - others);
}

/**
 * Frontends at which sessions stayed open from one look to the next while no byte was counted: bytes are counted when
 * a session ends, unless `option contstats` is set. Whether they are idle two looks cannot tell. `isWatched` says which
 * proxies matter.
 */
export function contstatsHints(first: Dump, second: Dump, isWatched: (proxy: string) => boolean): readonly string[] {
  if (first.process.pid !== second.process.pid) return [];
  const before = new Map(frontendsOf(first).map((row) => [row.proxy, row]));
  const still = frontendsOf(second).filter((now) => {
    const then = before.get(now.proxy);
    return then !== undefined && isWatched(now.proxy) && areHeld(then, now);
  });
  if (still.length === 0) return [];
  const names = still.slice(0, MOST_NAMED).map((row) => row.proxy);
  const more = still.length > MOST_NAMED ? ` and ${still.length - MOST_NAMED} more` : "";
  return [
    `sessions stay open at ${names.join(", ")}${more} while no byte is counted. If they are transferring now, HAProxy counts their bytes when they end; with \`option contstats\` in these proxies it counts them as they flow, and rates are true. If they are idle, ignore this`,
  ];
}

/** Some of the sessions that are open now were open then: there are more than have begun since. */
function areHeld(then: Row, now: Row): boolean {
  const begun = numberIn(now, "stot") - numberIn(then, "stot");
  const isQuiet = ["bin", "bout"].every((column) => now.column(column) === then.column(column));
  return numberIn(then, "scur") > 0 && begun >= 0 && numberIn(now, "scur") > begun && isQuiet;
}

function frontendsOf(dump: Dump): readonly Row[] {
  return dump.rows.filter((row) => row.kind === "frontend");
}

function numberIn(row: Row, column: string): number {
  return Number(row.column(column) || 0);
}
