/** Secrets of a source: read for each request, and kept nowhere. */

import type { WebEntry } from "../model/source.ts";
import { readPem } from "./pem.ts";
import { expandSecrets } from "./secrets.ts";

/** What is shown to a stats page or a Prometheus endpoint, and what it must show. */
export interface SourceSecrets {
  readonly username?: string;
  readonly password?: string;
  /** PEM text of the authority of its certificate; absent: the system's. */
  readonly ca?: string;
}

/** Throws `E205` when a secret cannot be read, `E212` when the file of the authority cannot; no message names a value. */
export function sourceSecrets(
  { name, username, password, caFile }: WebEntry,
  environment: Readonly<Record<string, string | undefined>>,
): SourceSecrets {
  return {
    ...(username === undefined ? {} : { username: expandSecrets(username, environment) }),
    ...(password === undefined ? {} : { password: expandSecrets(password, environment) }),
    ...(caFile === undefined ? {} : { ca: readPem(`ca_file of source ${name}`, caFile, "PEM certificate") }),
  };
}
