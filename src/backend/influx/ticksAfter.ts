/** Ticks by number: the store has them by label, so the numbers are looked at first where not all are wanted. */

import type { TickRecord } from "../../seriesPorts.ts";
import { pointsOf } from "./points.ts";
import { checked, ofCluster } from "./reader.ts";
import type { InfluxServer } from "./server.ts";
import { TICKS, tickRecord } from "./tickPoints.ts";

/** Points of one request. */
const PAGE = 5000;

/** Those of a cluster with number > `after`, by seq in order: the oldest `limit`, or all. */
export async function ticksAfter(
  server: InfluxServer,
  clusterId: string,
  after: number,
  limit = Infinity,
): Promise<readonly TickRecord[]> {
  const { text, parameters } = ofCluster(clusterId);
  const condition = Number.isFinite(after) ? ` AND "tick" > ${Math.floor(after)}` : "";
  const found: TickRecord[] = [];
  let seqs: ReadonlySet<number> | undefined;
  if (Number.isFinite(limit)) {
    const statement = `SELECT "seq", "tick" FROM "${TICKS}" WHERE ${text}${condition}`;
    const [answer = []] = await server.query([statement], parameters);
    const all = pointsOf(answer).flatMap((point) => {
      const seq = point.field("seq");
      return typeof seq === "number" ? [{ at: point.at, seq }] : [];
    });
    const wanted = all.sort((a, b) => a.seq - b.seq).slice(0, limit);
    seqs = new Set(wanted.map(({ seq }) => seq));
    if (wanted.length === 0) return [];
  }
  for (let offset = 0; ; offset += PAGE) {
    const statement = `SELECT * FROM "${TICKS}" WHERE ${text}${condition} ORDER BY time LIMIT ${PAGE} OFFSET ${offset}`;
    const [answer = []] = await server.query([statement], parameters);
    const points = pointsOf(answer);
    for (const point of points) {
      const record = checked(() => tickRecord(point));
      if (seqs === undefined || seqs.has(record.seq)) found.push(record);
    }
    if (points.length < PAGE || found.length >= limit) break;
  }
  return found.sort((a, b) => a.seq - b.seq);
}
