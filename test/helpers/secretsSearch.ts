/** Looks for planted secrets in whatever was written or said, in every spelling that programs give to text. */

import { createHash } from "node:crypto";

/** By name; the value is found nowhere by chance. */
export type Secrets = Readonly<Record<string, string>>;

/** The beginning of every secret that `plant` makes: so much of one is as good as the whole. */
const BEGINNING = 16;

/** A secret that no other text contains; `end`: characters that are spelled differently here and there. */
export function plant(name: string, end = ""): string {
  return `p1${createHash("sha256").update(`planted ${name}`).digest("hex").slice(0, 30)}${end}`;
}

const base64 = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");

/** Within a longer text in base64 a secret may begin at any of three places of a group: what is its own of each. */
function base64Within(secret: string): readonly string[] {
  return [0, 1, 2].map((before) => {
    const whole = base64(Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]));
    return whole.slice(Math.ceil((before * 8) / 6), Math.floor(((before + Buffer.byteLength(secret)) * 8) / 6));
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const HTML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };

export const SPELLINGS: Readonly<Record<string, (secret: string) => readonly string[]>> = {
  raw: (secret) => [secret],
  beginning: (secret) => [secret.slice(0, BEGINNING)],
  "URL-encoded": (secret) => [encodeURIComponent(secret), encodeURI(secret)],
  "URL-encoded in lower case": (secret) => [encodeURIComponent(secret).replace(/%../g, (one) => one.toLowerCase())],
  "URL-decoded": (secret) => [decoded(secret)],
  "decoded as a form": (secret) => [decoded(secret.replaceAll("+", " "))],
  base64: base64Within,
  base64url: (secret) => base64Within(secret).map((one) => one.replaceAll("+", "-").replaceAll("/", "_")),
  hex: (secret) => [Buffer.from(secret).toString("hex")],
  JSON: (secret) => [JSON.stringify(secret).slice(1, -1), JSON.stringify(secret).slice(1, -1).replaceAll("/", "\\/")],
  HTML: (secret) => [secret.replace(/[&<>"']/g, (one) => HTML[one] ?? one)],
  "HTML by number": (secret) => [secret.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`)],
  "UTF-16": (secret) => [Buffer.from(secret, "utf16le").toString("latin1")],
};

/** Which secrets are in it, and how they are spelled there: `name (spelling)`. */
export function secretsIn(text: string | Buffer, secrets: Secrets): readonly string[] {
  const where = Buffer.from(text).toString("latin1");
  return Object.entries(secrets).flatMap(([name, secret]) =>
    Object.entries(SPELLINGS)
      .filter(([, spell]) =>
        spell(secret).some((one) => where.includes(Buffer.from(one).toString("latin1")) || where.includes(one)),
      )
      .map(([spelling]) => `${name} (${spelling})`),
  );
}
