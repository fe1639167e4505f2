/** What the load generator notes of each exchange, in HAProxy's own measure. */

export type LaneKind = "short" | "upload" | "download";

/** Connections that do the same again and again, each by itself. */
export interface Lane {
  readonly kind: LaneKind;
  readonly connections: number;
  /** Body of the request (upload) or of the response. */
  readonly bytes: number;
  /** The body is spread over so long, ms: by the origin, or by the uploading client. */
  readonly overMs: number;
  /** From the end of one exchange to the next, ms. */
  readonly pauseMs: number;
  /** A connection is given up after so many; the next one is opened at once. */
  readonly perConnection: number;
  /** They begin at the same moment; absent: spread evenly, as clients are that know nothing of each other. */
  readonly together?: true;
}

/** One request and its answer. Instants are epoch ms with a fraction. */
export interface Exchange {
  readonly kind: LaneKind;
  readonly startMs: number;
  readonly endMs: number;
  /** HAProxy process that answered; 0: none did. */
  readonly worker: number;
  /** As HAProxy counts them. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** As they crossed the socket. */
  readonly wireIn: number;
  readonly wireOut: number;
  /** It was answered to its end. Of one that was not, the bytes are those until then. */
  readonly complete: boolean;
}

/** HAProxy's inner form of a message: 20 bytes and the words of the start line, names and values, 1 byte at the end. */
const START_LINE_BYTES = 20;
const END_BYTES = 1;
/** Added by HAProxy after it counted. */
const ADDED = /^(x-worker|connection):/i;

/** What HAProxy counts of a message with that head (without its empty line) and so many bytes of body. */
export function countedBytes(head: string, body: number): number {
  const [start = "", ...headers] = head.split("\r\n");
  const own = headers.filter((line) => !ADDED.test(line));
  // Two spaces between three words, `: ` between name and value.
  const words = start.length - 2;
  return START_LINE_BYTES + words + own.reduce((sum, line) => sum + line.length - 2, 0) + END_BYTES + body;
}
