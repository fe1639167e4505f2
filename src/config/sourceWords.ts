/** Words that people bring along from other programs into an entry of `collector.sources`. */

import type { Path } from "./explain.ts";

interface Foreign {
  readonly hint: string;
  /** What they mean here. */
  readonly means: readonly string[];
}

const LOGIN: Foreign = { hint: "write username: and password:", means: ["username", "password"] };
const USER: Foreign = { hint: "write username:", means: ["username"] };
const PASSWORD: Foreign = { hint: "write password:", means: ["password"] };
const AUTHORITY: Foreign = { hint: "write tls: {ca_file: PATH}", means: ["tls"] };
const TRUST: Foreign = {
  hint: "certificates are always verified: name their authority with tls: {ca_file: PATH}",
  means: ["tls"],
};

const FOREIGN: Readonly<Record<string, Foreign>> = {
  auth: LOGIN,
  basic_auth: LOGIN,
  http_auth: LOGIN,
  credentials: LOGIN,
  user: USER,
  login: USER,
  pass: PASSWORD,
  pwd: PASSWORD,
  ca: AUTHORITY,
  cacert: AUTHORITY,
  ca_cert: AUTHORITY,
  ca_file: AUTHORITY,
  cert: AUTHORITY,
  cert_file: AUTHORITY,
  certificate: AUTHORITY,
  insecure: TRUST,
  insecure_skip_verify: TRUST,
  skip_verify: TRUST,
  verify: TRUST,
  verify_ssl: TRUST,
  ssl_verify: TRUST,
  tls_verify: TRUST,
};

/** Words of an entry that a word of another program means; empty: it is not known. */
export function meaningOf(word: string): readonly string[] {
  return Object.hasOwn(FOREIGN, word) ? (FOREIGN[word]?.means ?? []) : [];
}

/** How to say it in an entry of `collector.sources` that stands at `path`; `undefined`: it is not known, or elsewhere. */
export function sourceWordHint(word: string, path: Path): string | undefined {
  const [section, list, index, inner] = path;
  if (section !== "collector" || list !== "sources" || typeof index !== "number") return undefined;
  if (!Object.hasOwn(FOREIGN, word)) return undefined;
  const foreign = FOREIGN[word];
  if (inner === word) return foreign?.hint;
  // Within `tls` only its authority can be said.
  return inner === "tls" && (foreign === TRUST || foreign === AUTHORITY)
    ? "tls takes ca_file, and nothing else"
    : undefined;
}
