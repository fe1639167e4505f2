/** What an answer, or its absence, means (rule D1). */

import { systemCode } from "../lib/errors.ts";
import type { OutcomeKind } from "../model/decision.ts";
import { AddressRefused } from "./lookup.ts";

/** So much of an answer is kept. */
export const KEPT_BYTES = 2 * 1024;

export interface Meaning {
  readonly outcome: OutcomeKind;
  readonly reason: string;
}

/**
 * What a status means. Control: 2xx is accepted (which says "queued", never "scaled"), 409 busy; 403, 429 and 503
 * did not run and may heal; 408, 425, 500, 502 and 504 may have run; anything else no retry will change.
 * Notices: as Aodh's users expect, 2xx is delivered, what may heal is tried again, anything else is rejected.
 */
export function meaningOfStatus(status: number, control: boolean): Meaning {
  const reason = `the receiver answered ${status}`;
  if (status >= 200 && status < 300) return { outcome: "accepted", reason };
  if (status === 409 && control) return { outcome: "busy", reason };
  if (status === 403 && control) return { outcome: "not_run", reason };
  if (status === 429 || status === 503) return { outcome: "not_run", reason };
  if (status === 408 || status === 425 || status >= 500) return { outcome: "uncertain", reason };
  if (status >= 300 && status < 400) return { outcome: "rejected", reason: `${reason}: redirects are not followed` };
  return { outcome: "rejected", reason };
}

/** Faults of a certificate: no retry changes them until somebody changes the configuration. */
const TLS_FAULT = /^(CERT_|ERR_TLS_|ERR_OSSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

const CANNOT_BE_MADE: ReadonlySet<string> = new Set([
  "UND_ERR_INVALID_ARG",
  "UND_ERR_NOT_SUPPORTED",
  "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH",
]);

const TLS_ALERT = /^ERR_SSL_.*_ALERT_/;
/** That our certificate is not taken: with TLS 1.3 it comes when the connection seems to stand. */
const CERTIFICATE_ALERT = /_ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)/;

/** What an error means: before the connection stood nothing can have run; after it, anything can. */
export function meaningOfError(error: unknown, connected: boolean): Meaning {
  const code = systemCode(error) ?? "error";
  if (TLS_ALERT.test(code) && (!connected || CERTIFICATE_ALERT.test(code)))
    return { outcome: "rejected", reason: `TLS: the receiver refuses the connection: ${code}` };
  if (connected) return { outcome: "uncertain", reason: `no answer: ${code}` };
  if (error instanceof AddressRefused) return { outcome: "rejected", reason: error.message };
  if (TLS_FAULT.test(code)) return { outcome: "rejected", reason: `TLS: ${code}` };
  // A request that cannot be made: a bad header or path.
  if (CANNOT_BE_MADE.has(code))
    return { outcome: "rejected", reason: "the request cannot be made: a bad header or URL" };
  return { outcome: "not_run", reason: `no connection: ${code}` };
}

/** Seconds of a Retry-After, given as seconds or as a date; `undefined` when it is neither. */
export function retryAfterS(
  header: string | undefined,
  parseDate: (text: string) => number,
  nowMs: number,
): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header);
  const at = parseDate(header);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - nowMs) / 1000);
}
