/** A range a stretch at a time, without those that hold nothing: a range may be far wider than what is kept. */

/** Beyond these there are no instants, epoch ms. */
const EARLIEST = -8.64e15;
const LATEST = 8.64e15;

/** Of labels in `(from, to]`, epoch ms: the oldest `limit` by number. */
type Read<T> = (from: number, to: number, limit: number) => Promise<readonly T[]>;

/** What is read in `(from, to]`, stretches of `lengthMs` by label in order. `limit`: of one stretch. */
export async function* filled<T>(
  [from, to]: readonly [from: number, to: number],
  lengthMs: number,
  limit: () => number,
  read: Read<T>,
): AsyncGenerator<readonly T[]> {
  const last = Math.min(to, LATEST);
  for (let start = Math.max(from, EARLIEST); start < last; ) {
    const end = Math.min(last, start + lengthMs);
    const records = await read(start, end, limit());
    if (records.length > 0) yield records;
    start = records.length > 0 ? end : await skipped(end, last, lengthMs, read);
  }
}

/** Where the first stretch after `from` begins that holds anything; `to`: none does. */
async function skipped<T>(from: number, to: number, lengthMs: number, read: Read<T>): Promise<number> {
  let start = from;
  const isAny = async (reach: number) => (await read(start, Math.min(to, start + reach), 1)).length > 0;
  let reach = lengthMs;
  while (!(await isAny(reach))) {
    start += reach;
    if (start >= to) return to;
    reach *= 2;
  }
  // It is in one half or in the other.
  while (reach > lengthMs) {
    reach /= 2;
    if (!(await isAny(reach))) start += reach;
  }
  return start;
}
