/**
 * Who may ask. The interface has no authentication: it trusts what can reach it. Web pages can reach it too, through
 * the browser of someone who may, and are kept out here: a page's requests carry an Origin, cannot be JSON without
 * asking first, and after DNS rebinding name the page's host.
 */

import { BlockList, isIP } from "node:net";
import { Refusal } from "./refusal.ts";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** What of a request says where it comes from. */
export interface Asking {
  readonly method: string;
  readonly headers: {
    readonly host?: string | undefined;
    readonly origin?: string | undefined;
    readonly "content-type"?: string | undefined;
  };
}

/** Throws the refusal of a request that a web page could have made, or whose body is not declared to be JSON. */
export function guard({ method, headers }: Asking, listenHost: string): void {
  if (isLoopback(listenHost) && !isOurs(headers.host, listenHost)) {
    const named = headers.host === undefined ? "no host" : `the host ${headers.host.slice(0, 100)}`;
    throw new Refusal(403, `the request names ${named}: ask 127.0.0.1, [::1] or localhost`);
  }
  if (method === "GET" || method === "HEAD") return;
  if (headers.origin !== undefined) throw new Refusal(403, "web pages may not change anything here");
  const type = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (method === "POST" && type !== "application/json") {
    throw new Refusal(415, "a POST needs a body of content-type application/json");
  }
}

/** Whether a Host header names this machine, at whatever port: it may be forwarded. */
function isOurs(header: string | undefined, listenHost: string): boolean {
  const host = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(header?.trim() ?? "");
  const name = (host?.[1] ?? host?.[2] ?? "").toLowerCase();
  return name === listenHost.toLowerCase() || isLoopback(name);
}

function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host.toLowerCase() === "localhost";
  return LOOPBACK.check(host, family === 6 ? "ipv6" : "ipv4");
}
