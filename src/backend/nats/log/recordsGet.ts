/** Single messages of the log, as the stream's leader has them: never from a copy that may be behind. */

import type { MsgHdrs } from "nats";
import type { NatsLink } from "../link/link.ts";
import { apiErrorCode } from "../link/link.ts";
import { MAX_COMMIT_BYTES } from "./codec.ts";

/** Which append a message is of. */
export const APPEND_HEADER = "Tocsin-Append";
/** Number of the tick of a record's checkpoint: the cluster's log may begin here. */
export const CHECKPOINT_HEADER = "Tocsin-Checkpoint";
/** Of how many pieces the record is made: the message names their sequences. */
export const PARTS_HEADER = "Tocsin-Parts";
/** The server keeps it with the message: which record this one came behind. */
const FOLLOWS_HEADER = "Nats-Expected-Last-Subject-Sequence";

/** A message of a cluster's log. */
export interface LogMessage {
  readonly seq: number;
  /** Time of the server, epoch ms. */
  readonly at: number;
  readonly appendId: string;
  /** Sequence of the message that it came behind; 0: none; `undefined`: it does not say. */
  readonly follows: number | undefined;
  /** Number of the tick that the log may begin with here. */
  readonly checkpoint: number | undefined;
  /** Of how many pieces the record is made; 0: it is the payload itself. */
  readonly parts: number;
  readonly payload: Uint8Array;
}

/** A message from what the bus gives. */
export function logMessage(seq: number, at: number, head: MsgHdrs | undefined, payload: Uint8Array): LogMessage {
  return {
    seq,
    at,
    payload,
    appendId: head?.get(APPEND_HEADER) ?? "",
    follows: countIn(head, FOLLOWS_HEADER),
    checkpoint: countIn(head, CHECKPOINT_HEADER),
    parts: countIn(head, PARTS_HEADER) ?? 0,
  };
}

/** Where a message that a consumer has sent is: from the subject that it would be acknowledged on. */
export interface Place {
  /** In the stream. */
  readonly seq: number;
  /** Among the messages of the consumer. */
  readonly delivered: number;
  /** When it was stored, by the server's clock, epoch ms. */
  readonly at: number;
  /** So many more of the consumer's were in the stream when it was sent. */
  readonly pending: number;
}

/** `undefined`: it was not sent by a consumer. */
export function placeIn(reply: string | undefined): Place | undefined {
  // $JS.ACK.<stream>.<consumer>.<times>.<seq>.<delivered>.<ns>.<pending>; newer ones: a domain and an account before it.
  const tokens = (reply ?? "").split(".");
  const [seq = 0, delivered = 0, ns = 0, pending = 0] = tokens.slice(tokens.length > 9 ? 7 : 5).map(Number);
  return seq > 0 && delivered > 0 && ns > 0 ? { seq, delivered, at: Math.floor(ns / 1e6), pending } : undefined;
}

function countIn(head: MsgHdrs | undefined, name: string): number | undefined {
  const text = head?.get(name) ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** The cluster's last message; `undefined`: it has none. Throws what the client throws. */
export function lastRecord(link: NatsLink, clusterId: string): Promise<LogMessage | undefined> {
  return message(link, { last_by_subj: link.names.logSubject(clusterId) });
}

/** The cluster's first message at or after a sequence. */
export function nextRecord(link: NatsLink, clusterId: string, seq: number): Promise<LogMessage | undefined> {
  // Of a stream that is emptied 1 is the lowest that may be asked for.
  const query = { seq: Math.max(1, seq), next_by_subj: link.names.logSubject(clusterId) };
  return message(link, query);
}

/** The message of a sequence, whatever its subject. */
export function messageAt(link: NatsLink, seq: number): Promise<LogMessage | undefined> {
  return message(link, { seq });
}

type Query = { readonly last_by_subj: string } | { readonly seq: number; readonly next_by_subj?: string };

async function message({ jsm, names }: NatsLink, query: Query): Promise<LogMessage | undefined> {
  try {
    const found = await jsm.streams.getMessage(names.log, query);
    return logMessage(found.seq, found.time.getTime(), found.header, found.data);
  } catch (error) {
    if (apiErrorCode(error) === NOT_FOUND) return undefined;
    throw error;
  }
}

const NOT_FOUND = 10_037;

/** Most pieces of one record. */
const MOST_PARTS = 8192;

/**
 * What a record is made of, its pieces fetched. `"missing"`: a piece is not there, or not yet where a leader has just been
 * elected. `undefined`: pieces are not named as they should be, or too large.
 */
export async function wholePayload(
  link: NatsLink,
  { parts, payload }: LogMessage,
): Promise<Uint8Array | "missing" | undefined> {
  if (parts === 0) return payload;
  const seqs = partsNamed(payload);
  if (seqs?.length !== parts) return undefined;
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (const seq of seqs) {
    const piece = await messageAt(link, seq);
    if (!piece) return "missing";
    bytes += piece.payload.length;
    // Deflated it is not larger.
    if (bytes > MAX_COMMIT_BYTES) return undefined;
    pieces.push(piece.payload);
  }
  return Buffer.concat(pieces);
}

/** Sequences of the pieces that a message names. */
export function partsNamed(payload: Uint8Array): readonly number[] | undefined {
  try {
    const seqs: unknown = JSON.parse(Buffer.from(payload).toString("utf8"));
    if (!Array.isArray(seqs) || seqs.length > MOST_PARTS) return undefined;
    return seqs.every((seq) => Number.isSafeInteger(seq) && seq > 0) ? seqs : undefined;
  } catch {
    return undefined;
  }
}
