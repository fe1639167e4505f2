/** Answers are kept and shown: what a receiver repeats of our secrets is starred out of them. */

import { splitWebUrl } from "../lib/webUrl.ts";
import type { WebhookTarget } from "../ports.ts";
import { KEPT_BYTES } from "./answer.ts";

/** Parts of a path or query that are shorter are words, not credentials. */
const LEAST_LENGTH = 12;
/** Nothing shorter is looked for, bytes. */
const LEAST_BYTES = 4;

/** What must not be shown of a receiver: the path of an alarm_url is a credential, and so are its parts. */
export function secretsOf({ url, headers, signSecret, secrets }: WebhookTarget): readonly string[] {
  const path = splitWebUrl(url)?.path ?? url;
  const parts = path.split(/[/?&=#]/).filter((part) => part.length >= LEAST_LENGTH);
  const ofHeaders = Object.values(headers).flatMap((value) => [value, ...value.split(/\s+/), ...ofBasic(value)]);
  const long = ofHeaders.filter((value) => value.length >= LEAST_BYTES);
  const own = signSecret === undefined ? [] : [signSecret, signSecret.replace(/^whsec_/, "")];
  return [path, path.split("?", 1)[0] ?? path, ...parts, ...long, ...own, ...secrets];
}

/** User and password, as the receiver reads them, and the password. */
function ofBasic(header: string): readonly string[] {
  const encoded = /^basic\s+(\S+)$/i.exec(header)?.[1];
  if (encoded === undefined) return [];
  const both = Buffer.from(encoded, "base64").toString("utf8");
  return [both, both.slice(both.indexOf(":") + 1)];
}

/** So much of the beginning of a secret, bytes, is one: receivers shorten what they repeat. */
const BEGINNING_BYTES = 16;

/**
 * Text without the secrets in it, however they are escaped there: as URLs, HTML and JSON do it, several times over.
 * Where only the beginning of one stands there, or is left at the end of a kept answer, that is starred out.
 */
export function masked(text: string, secrets: readonly string[]): string {
  const { bytes, starts } = unescaped(text);
  // What is as long may have been cut amid a secret.
  const mayBeCut = Buffer.byteLength(text) >= KEPT_BYTES;
  const hidden: [from: number, to: number][] = [];
  for (const secret of new Set(secrets.map((one) => unescaped(one).bytes))) {
    if (secret.length < LEAST_BYTES) continue;
    const beginning = secret.slice(0, BEGINNING_BYTES);
    for (let at = bytes.indexOf(beginning); at >= 0; at = bytes.indexOf(beginning, at + beginning.length))
      hidden.push([starts[at] ?? 0, starts[at + sharedLength(bytes, at, secret)] ?? text.length]);
    const cut = mayBeCut ? cutOff(bytes, secret) : undefined;
    if (cut !== undefined) hidden.push([starts[cut] ?? 0, text.length]);
  }
  return starred(text, hidden);
}

/** How much of the secret stands there, from its beginning. */
function sharedLength(bytes: string, at: number, secret: string): number {
  let length = 0;
  while (length < secret.length && bytes[at + length] === secret[length]) length++;
  return length;
}

/** An escape that the end of the text, or of a character, has cut off. */
const UNFINISHED = /(?:%[0-9a-f]?|&#?\w{0,6}|\xef\xbf\xbd)$/i;

/** Where the beginning of the secret stands at the end of the text; `undefined`: nowhere. */
function cutOff(bytes: string, secret: string): number | undefined {
  for (const text of [bytes, bytes.replace(UNFINISHED, "")])
    for (let length = Math.min(secret.length - 1, text.length); length >= LEAST_BYTES; length--)
      if (text.endsWith(secret.slice(0, length))) return text.length - length;
  return undefined;
}

function starred(text: string, hidden: [from: number, to: number][]): string {
  let shown = "";
  let end = 0;
  for (const [from, to] of hidden.sort(([a], [b]) => a - b)) {
    // What overlaps is one secret, or parts of one.
    if (from >= end) shown += `${text.slice(end, from)}***`;
    end = Math.max(end, to);
  }
  return shown + text.slice(end);
}

/** Text as the bytes of its UTF-8, one character for each, and where in the text each byte comes from. */
interface Unescaped {
  readonly bytes: string;
  /** One more than there are bytes: the last is the text's length. */
  readonly starts: readonly number[];
}

/** An escape may stand within an escape so often. */
const MOST_PASSES = 4;

/** `%2B`; `&amp;`, `&#38;`; `\u0026`; and backslashes, of which there may be many: they say nothing but by these. */
const ESCAPE =
  /%([0-9a-f]{2})|&(amp|lt|gt|quot|apos|nbsp|#\d{1,7}|#x[0-9a-f]{1,6});|((?:\\+u[0-9a-f]{4})+)|\\+([tnrbf]?)/gi;
const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };
const CONTROLS: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", b: "\b", f: "\f" };

/** Read as escapes until there is none; `+` and space are the same to forms. Both what is looked for and in go through it. */
function unescaped(text: string): Unescaped {
  let now = bytesOf(text);
  for (let pass = 0; pass < MOST_PASSES && /[%&\\]/.test(now.bytes); pass++) {
    const next = onePass(now);
    if (next.bytes === now.bytes) break;
    now = next;
  }
  return { bytes: now.bytes.replaceAll("+", " "), starts: now.starts };
}

function bytesOf(text: string): Unescaped {
  const bytes = inBytes(text);
  if (bytes.length === text.length) return { bytes, starts: Array.from({ length: text.length + 1 }, (_, at) => at) };
  const starts: number[] = [];
  let at = 0;
  for (const character of text) {
    for (let byte = Buffer.byteLength(character); byte > 0; byte--) starts.push(at);
    at += character.length;
  }
  return { bytes, starts: [...starts, text.length] };
}

function onePass({ bytes, starts }: Unescaped): Unescaped {
  let out = "";
  const from: number[] = [];
  const keep = (begin: number, end: number) => {
    out += bytes.slice(begin, end);
    for (let at = begin; at < end; at++) from.push(starts[at] ?? 0);
  };
  let done = 0;
  for (const match of bytes.matchAll(ESCAPE)) {
    keep(done, match.index);
    const meant = meaningOf(match);
    out += meant;
    for (let byte = 0; byte < meant.length; byte++) from.push(starts[match.index] ?? 0);
    done = match.index + match[0].length;
  }
  keep(done, bytes.length);
  return { bytes: out, starts: [...from, starts[bytes.length] ?? 0] };
}

function meaningOf([whole, byte, entity, units, control]: RegExpExecArray): string {
  if (byte !== undefined) return String.fromCharCode(Number.parseInt(byte, 16));
  if (entity !== undefined) return ofEntity(entity.toLowerCase()) ?? whole;
  if (units === undefined) return CONTROLS[control ?? ""] ?? control ?? "";
  const codes = [...units.matchAll(/u([0-9a-f]{4})/gi)].map(([, code = ""]) => Number.parseInt(code, 16));
  return inBytes(String.fromCharCode(...codes));
}

function ofEntity(entity: string): string | undefined {
  if (!entity.startsWith("#")) return inBytes(NAMED[entity] ?? "");
  const code = entity.startsWith("#x") ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1));
  return code <= 0x10ffff ? inBytes(String.fromCodePoint(code)) : undefined;
}

function inBytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
