/** Answers as bytes: JSON, deflated where that is worth it, in pieces where one message cannot hold it. */

import { promisify } from "node:util";
import { deflate, inflate } from "node:zlib";

/** Largest answer before it is deflated, bytes: more is refused by both sides. */
const MOST_JSON_BYTES = 128 * 1024 * 1024;
/** Largest answer on its way, bytes. */
const MOST_BYTES = 64 * 1024 * 1024;
/** Most bytes of one message, so that others are not kept waiting behind it. */
const MOST_OF_MESSAGE = 256 * 1024;
/** Below, deflating saves less than it costs, bytes. */
const DEFLATED_FROM = 4096;
/** First byte of a zlib stream; that of an answer's JSON is `{`. */
const ZLIB = 0x78;

// Both off this thread: what judges runs here too.
const deflated = promisify<Buffer, { level: number }, Buffer>(deflate);
const inflated = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflate);

/** Pieces in order, each of `largest` bytes at the most; there is one at least. `undefined`: it is too large. */
export async function piecesOf(answer: object, largest: number): Promise<readonly Uint8Array[] | undefined> {
  const json = Buffer.from(JSON.stringify(answer), "utf8");
  if (json.length > MOST_JSON_BYTES) return undefined;
  // On a level of 1 it takes longer: this JSON repeats itself.
  const bytes = json.length < DEFLATED_FROM ? json : await deflated(json, { level: 3 });
  const size = Math.min(MOST_OF_MESSAGE, largest);
  const count = Math.ceil(bytes.length / size);
  if (bytes.length > MOST_BYTES || count > MOST_PIECES) return undefined;
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

/** What was in pieces. Rejects when it is no JSON, or larger than any answer. */
export async function readPieces(bytes: Uint8Array): Promise<unknown> {
  const json = bytes[0] === ZLIB ? await inflated(bytes, { maxOutputLength: MOST_JSON_BYTES }) : Buffer.from(bytes);
  return JSON.parse(json.toString("utf8"));
}

/** Most pieces of an answer. */
const MOST_PIECES = 65_536;

/** Which piece of how many a message is, as a header says it. */
export function pieceHeader(index: number, count: number): string {
  return `${index}/${count}`;
}

/** Pieces as they come: one sender's messages keep their order. */
export class Pieces {
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;

  /** Takes a piece with its header (empty: it is the only one). `undefined`: there are more to come. Throws for any other. */
  add(header: string, piece: Uint8Array): Uint8Array | undefined {
    const [index, count] = header === "" ? [0, 1] : numbersIn(header);
    this.#bytes += piece.length;
    const isNext = index === this.#pieces.length && index < count && count <= MOST_PIECES;
    if (!isNext || this.#bytes > MOST_BYTES) throw new Error("its pieces do not fit together");
    this.#pieces.push(piece);
    return this.#pieces.length === count ? Buffer.concat(this.#pieces) : undefined;
  }
}

function numbersIn(header: string): readonly [index: number, count: number] {
  const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(header) ?? [];
  return [Number(index), Number(count)];
}
