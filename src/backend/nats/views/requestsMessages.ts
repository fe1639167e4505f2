/** What processes of the service say to each other in requests: looked at before it is believed, on both sides. */

import { TocsinError } from "../../../lib/errors.ts";

/** Of this protocol: what speaks another is refused. */
const VERSION = 1;
/** Largest request, bytes. */
const MOST_REQUEST_BYTES = 64 * 1024;
const MOST_ARGUMENTS = 8;
/** Longest that anybody waits for an answer, ms. */
const LONGEST_MS = 600_000;
/** Longest message of an error, characters. */
const MOST_CHARACTERS = 2000;

export interface Request {
  readonly method: string;
  readonly args: readonly unknown[];
  /** Whoever asked waits so long, ms. */
  readonly timeoutMs: number;
}

/**
 * Why there is no answer of a handler: too many requests are under way; another version of this protocol; no request, or
 * not its method's arguments; no such method; an answer that is too large; a bug.
 */
export type Refused = "busy" | "version" | "request" | "method" | "large" | "failed";

export type Answer =
  | { readonly value?: unknown }
  | { readonly error: { readonly code: string; readonly message: string } }
  | { readonly refused: Refused };

/** Throws a plain error when it is too large: no caller sends such a one. */
export function requestBytes({ method, args, timeoutMs }: Request): Uint8Array {
  const bytes = Buffer.from(JSON.stringify({ v: VERSION, method, args, timeoutMs }), "utf8");
  if (bytes.length > MOST_REQUEST_BYTES) throw new Error(`a request ${method} of ${bytes.length} bytes is too large`);
  return bytes;
}

/** The request of a message, or why it is none. */
export function requestIn(bytes: Uint8Array): Request | "version" | "request" {
  const said = bytes.length > MOST_REQUEST_BYTES ? undefined : jsonIn(bytes);
  if (!isObject(said)) return "request";
  const { v, method, args, timeoutMs } = said;
  if (v !== VERSION) return typeof v === "number" ? "version" : "request";
  if (typeof method !== "string" || !Array.isArray(args) || args.length > MOST_ARGUMENTS) return "request";
  if (typeof timeoutMs !== "number" || !(timeoutMs >= 1 && timeoutMs <= LONGEST_MS)) return "request";
  return { method, args, timeoutMs };
}

/** An answer as it is sent. `undefined`: none was given in time. */
export function answerMessage(answer: Answer): object {
  return { v: VERSION, ...answer };
}

/** Of whatever a handler threw: only what was meant for people travels. `undefined`: it is a bug. */
export function errorAnswer(error: unknown): Answer | undefined {
  if (!(error instanceof TocsinError)) return undefined;
  return { error: { code: error.code, message: error.message.slice(0, MOST_CHARACTERS) } };
}

/** The answer of a message; `undefined`: it is none. */
export function answerIn(said: unknown): Answer | undefined {
  if (!isObject(said) || said.v !== VERSION) return undefined;
  const { value, error, refused } = said;
  if (refused !== undefined) return isRefused(refused) ? { refused } : undefined;
  if (error === undefined) return { value };
  if (!isObject(error) || typeof error.code !== "string" || typeof error.message !== "string") return undefined;
  const { code, message } = error;
  return /^[A-Z]\d{3}$/.test(code) ? { error: { code, message: message.slice(0, MOST_CHARACTERS) } } : undefined;
}

/** In words; what is refused was not done, and of what failed that is not known. */
export const REFUSED: Readonly<Record<Refused, string>> = {
  busy: "too many requests are under way there",
  version: "it is of another version, which has other requests",
  request: "it does not understand the request: it may be of another version",
  method: "it has no such request: it may be of another version",
  large: "its answer is too large: ask for less",
  failed: "a bug of ours: its log has the error",
};

function isRefused(value: unknown): value is Refused {
  return typeof value === "string" && Object.hasOwn(REFUSED, value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function jsonIn(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
