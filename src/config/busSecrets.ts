/** Secrets of the bus: read for each connection, and kept nowhere. */

import { readFileSync } from "node:fs";
import { messageOf, TocsinError } from "../lib/errors.ts";
import type { NatsSettings } from "./busSettings.ts";
import { readPem } from "./pem.ts";
import { expandSecrets } from "./secrets.ts";

/** What is shown to a NATS server: one of them, or nothing. */
export type BusSecrets =
  | { readonly kind: "creds" | "nkey"; readonly bytes: Uint8Array }
  | { readonly kind: "user"; readonly user: string; readonly password: string }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "none" };

/** Throws `E205` when one cannot be read; no message names a value. */
export function busSecrets(
  { credsFile, nkeyFile, user, password, token }: NatsSettings,
  environment: Readonly<Record<string, string | undefined>>,
): BusSecrets {
  if (credsFile !== undefined) return { kind: "creds", bytes: secretBytes("creds", credsFile) };
  if (nkeyFile !== undefined) return { kind: "nkey", bytes: secretBytes("nkey", nkeyFile) };
  if (token !== undefined) return { kind: "token", token: expandSecrets(token, environment) };
  if (user === undefined) return { kind: "none" };
  const expanded = password === undefined ? "" : expandSecrets(password, environment);
  return { kind: "user", user: expandSecrets(user, environment), password: expanded };
}

function secretBytes(word: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new TocsinError("E205", `cannot read ${word} of bus.nats: ${messageOf(error)}`, { cause: error });
  }
}

/** Throws `E212` when a file of `tls` cannot be used. */
export function checkBusTls({ tls = {} }: NatsSettings): void {
  if (tls.caFile !== undefined) readPem("ca_file of bus.nats", tls.caFile, "PEM certificate");
  if (tls.certFile !== undefined) readPem("cert_file of bus.nats", tls.certFile, "PEM certificate");
  if (tls.keyFile !== undefined) readPem("key_file of bus.nats", tls.keyFile, "PEM private key");
}
