/** What an `alarm_url` leads to: one look at its scheme and shape, secrets in place or not. */

import { splitWebUrl } from "../lib/webUrl.ts";

/** What is supported, for messages. */
export const SUPPORTED_URLS =
  "http(s)://host[:port]/path without user, spaces or fragment, trust+http(s)://… with notifier.keystone, log: or test:";

/** Where a URL leads to. */
export type Destination =
  /** `isTrusted`: with a token of Keystone; `url` is without `trust+`. */
  { readonly kind: "webhook"; readonly url: string; readonly isTrusted: boolean } | { readonly kind: "log" | "test" };

/** The destination of a URL that has its secrets in place; `undefined`: nothing can be sent there. */
export function destinationOf(url: string): Destination | undefined {
  const local = /^(log|test):(\/\/\S*)?$/i.exec(url)?.[1];
  if (local !== undefined) return { kind: local.toLowerCase() === "log" ? "log" : "test" };
  const [, trust, rest = ""] = /^(trust\+)?(.*)$/is.exec(url) ?? [];
  // A fragment would not be sent: whoever wrote one meant something else.
  if (rest.includes("#") || !splitWebUrl(rest)) return undefined;
  return { kind: "webhook", url: rest, isTrusted: trust !== undefined };
}

/** Whether a text is a URL, supported or not, rather than a word: also where secrets begin it. */
export function isUrl(text: string): boolean {
  return /^([a-z][a-z0-9+.-]*:\/\/|(log|test|zaqar|trust\+[a-z]+):|\$\{)/i.test(text);
}

/** `…/v1/webhooks/<id>/trigger`: Senlin's receivers. */
const SENLIN_URL = /\/v1\/webhooks\/[^/?#]+\/trigger\/?(\?|$)/;
/** Signal URLs of Heat's scaling policies: signed, or native. */
const HEAT_URL = /\/v1\/signal\/|\/resources\/[^/?#]+\/signal(\?|$)/;

/** Whose receiver a URL is by its shape; `undefined`: nobody's that we know. */
export function scalerOf(url: string): "senlin" | "heat" | undefined {
  if (SENLIN_URL.test(url)) return "senlin";
  return HEAT_URL.test(url) ? "heat" : undefined;
}

/** A placeholder, or what stands in an authority beside placeholders. */
const AUTHORITY = /^(?:\$\{(?:env|file):[^}]*\}|[^/?#\s\\$])+/;

/**
 * A URL as people may see it: `scheme://host:port/…`, or `log:`, `test:`. Its path, query and user are credentials.
 * Placeholders stay as they are: they say nothing.
 */
export function maskedTarget(url: string): string {
  const local = /^(log|test):/i.exec(url)?.[1];
  if (local !== undefined) return `${local.toLowerCase()}:`;
  const scheme = /^(?:trust\+)?https?:\/\//i.exec(url)?.[0] ?? "";
  const authority = AUTHORITY.exec(url.slice(scheme.length))?.[0] ?? "";
  // Without a scheme only a placeholder says where the host is.
  if (scheme === "") {
    const placeholder = /^\$\{[^}]*\}/.exec(authority)?.[0];
    return placeholder === undefined ? "…" : `${placeholder}/…`;
  }
  return `${scheme}${authority.slice(authority.lastIndexOf("@") + 1)}/…`;
}
