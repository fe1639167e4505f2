/** The one shape of URLs that requests are sent to: whatever has it can be sent without a byte of it being rewritten. */

/** A URL split without being rewritten: signed URLs break when a percent-escape, `:80` or an order changes. */
export interface WebUrl {
  /** `scheme://host:port` as URLs are normalised: what is connected to, and what requests to one host share. */
  readonly origin: string;
  /** Host of the origin: what the address policy judges. */
  readonly hostname: string;
  /** Authority as written, for the Host header. */
  readonly host: string;
  /** Path and query as written. */
  readonly path: string;
}

/** Printable ASCII without spaces, which alone can stand in the first line of a request and in its Host header. */
const SHAPE = /^https?:\/\/((?:(?![/?#@\\])[!-~])+)([/?](?:(?![#\\])[!-~])*)?(?:#[!-~]*)?$/i;

/**
 * Splits `http(s)://authority/path?query`; `undefined` when it is something else, has a user, or characters that would
 * have to be percent-encoded (in the host: written in punycode). A fragment is never sent.
 */
export function splitWebUrl(url: string): WebUrl | undefined {
  const match = SHAPE.exec(url);
  const [, host, rest = "/"] = match ?? [];
  const whole = host === undefined ? null : URL.parse(url);
  if (host === undefined || !whole) return undefined;
  const { origin, hostname } = whole;
  return { origin, hostname, host, path: rest.startsWith("?") ? `/${rest}` : rest };
}
