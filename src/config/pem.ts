import { readFileSync } from "node:fs";
import { messageOf, TocsinError } from "../lib/errors.ts";

const HOLDS = {
  "PEM certificate": /-----BEGIN (TRUSTED )?CERTIFICATE-----/,
  "PEM private key": /-----BEGIN ([A-Z]+ )?PRIVATE KEY-----/,
};

/** The text of a PEM file. `of`: whose it is, for the message. Throws `E212` when it cannot be used. */
export function readPem(of: string, path: string, what: keyof typeof HOLDS): string {
  let pem: string;
  try {
    pem = readFileSync(path, "utf8");
  } catch (error) {
    throw new TocsinError("E212", `cannot read ${of}: ${messageOf(error)}`, { cause: error });
  }
  if (/-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(pem))
    throw new TocsinError("E212", `${of}, ${path}, is encrypted: a key without a passphrase is needed`);
  if (HOLDS[what].test(pem)) return pem;
  throw new TocsinError("E212", `${of}, ${path}, holds no ${what}`);
}
