/** The signature that lets a receiver know who wrote (Standard Webhooks 1.0.0, symmetric). */

import { createHmac } from "node:crypto";

/**
 * Value of the header `webhook-signature`: over the delivery's id, the attempt's time and the body as they are
 * sent. `secret` is base64, with or without `whsec_` before it. Throws when it is neither.
 */
export function signature(
  secret: string,
  delivery: { readonly id: string; readonly timestampS: number },
  body: Buffer,
): string {
  const encoded = secret.replace(/^whsec_/, "");
  // Never the text itself: the message is logged.
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) throw new Error("its signing secret is not base64");
  const hmac = createHmac("sha256", Buffer.from(encoded, "base64"));
  return `v1,${hmac.update(`${delivery.id}.${delivery.timestampS}.`).update(body).digest("base64")}`;
}
