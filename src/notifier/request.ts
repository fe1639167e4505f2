/** The POST that a receiver gets: what unmodified Aodh receivers accept, to the byte (docs/receivers.md). */

import type { AddressPolicy } from "../lib/addressPolicy.ts";
import type { WebUrl } from "../lib/webUrl.ts";
import { splitWebUrl } from "../lib/webUrl.ts";
import type { Dispatch, WebhookTarget } from "../ports.ts";
import type { Post } from "./attempt.ts";
import { bodyOf } from "./body.ts";
import { signature } from "./signature.ts";

/** A URL that may be sent to. Throws an Error that says why it may not be, without showing it. */
export function allowedTarget({ url, isGuest = false }: WebhookTarget, policy: AddressPolicy): WebUrl {
  const split = splitWebUrl(url);
  if (!split) throw new Error("its URL is not http(s)");
  const refused = policy.refusalOfHost(split.hostname, isGuest);
  if (refused !== undefined) throw new Error(refused);
  return split;
}

/** What differs between two attempts of one delivery. */
export interface Stamp {
  readonly version: string;
  /** Wall clock of the attempt, seconds since 1970. */
  readonly timestampS: number;
  /** For a receiver that is trusted with one. */
  readonly token?: string | undefined;
  readonly extraHeaders?: Readonly<Record<string, string>>;
}

/** Headers and body of one attempt. Throws when the receiver's body or secret cannot be used. */
export function postOf(dispatch: Dispatch, target: WebhookTarget, split: WebUrl, stamp: Stamp): Post {
  const { bytes: body, contentType } = bodyOf(dispatch, target);
  const { token, timestampS, version, extraHeaders } = stamp;
  const id = dispatch.deliveryId;
  const headers = {
    ...(contentType === undefined ? {} : { "content-type": contentType }),
    accept: "application/json, */*",
    "user-agent": `tocsin/${version}`,
    // Derived from the delivery, so the same over retries.
    "x-openstack-request-id": `req-${id.replace(/^msg_/, "")}`,
    ...(token === undefined ? {} : { "x-auth-token": token }),
    // The receiver's own may replace any but those that frame the request, or are signed.
    ...inLowerCase(target.headers),
    ...extraHeaders,
    host: split.host,
    "webhook-id": id,
    "webhook-timestamp": String(timestampS),
    ...(target.signSecret === undefined
      ? {}
      : { "webhook-signature": signature(target.signSecret, { id, timestampS }, body) }),
  };
  return { path: split.path, headers, body };
}

/** One header of a name, however it is written. */
function inLowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
