/** Answers are kept and shown: what a receiver repeats of our secrets is starred out of them. */

import type { WebhookTarget } from "../ports.ts";
import { splitUrl } from "./request.ts";

/** Parts of a path or query that are shorter are words, not credentials. */
const LEAST_LENGTH = 12;

/** What must not be shown of a receiver: the path of an alarm_url is a credential, and so are its parts. */
export function secretsOf({ url, headers, signSecret, secrets }: WebhookTarget): readonly string[] {
  const path = splitUrl(url)?.path ?? url;
  const parts = path.split(/[/?&=#]/).filter((part) => part.length >= LEAST_LENGTH);
  const ofHeaders = Object.values(headers).flatMap((value) => [value, ...value.split(/\s+/)]);
  const long = ofHeaders.filter((value) => value.length >= 4);
  const own = signSecret === undefined ? [] : [signSecret, signSecret.replace(/^whsec_/, "")];
  return [path, path.split("?", 1)[0] ?? path, ...parts, ...long, ...own, ...secrets];
}

/** Text without the secrets in it, as they are and as URLs, HTML and JSON spell them. */
export function masked(text: string, secrets: readonly string[]): string {
  const spellings = new Set(
    secrets.flatMap((secret) => [
      secret,
      decoded(secret),
      encoded(secret),
      secret.replaceAll("&", "&amp;"),
      JSON.stringify(secret).slice(1, -1),
      inAscii(JSON.stringify(secret).slice(1, -1)),
    ]),
  );
  // The longest first: a part that is starred out would hide the whole.
  const ordered = [...spellings].filter((one) => one.length >= 4).sort((a, b) => b.length - a.length);
  return ordered.reduce((shown, one) => shown.replaceAll(one, "***"), text);
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** As JSON is written where it is to be ASCII. */
function inAscii(json: string): string {
  return json.replace(/[^ -~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
