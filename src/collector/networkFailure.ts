import type { Failure } from "./transport.ts";

/** What a system's error of a network connection to `place` means and how to mend it; `message` where it is not known. */
export function networkFailure(code: string | undefined, place: string, message: string): Failure {
  const [word, reason] = meaning(code, place) ?? ["io", `${place}: ${message}`];
  return { ok: false, code: word, reason };
}

function meaning(code: string | undefined, place: string): readonly [string, string] | undefined {
  switch (code) {
    case "ECONNREFUSED":
      return ["refused", `nobody listens at ${place}: HAProxy is not running, or listens on another address or port`];
    case "ENOTFOUND":
    case "ENODATA":
      return ["dns", `no address for ${place}: the name is unknown to DNS and /etc/hosts`];
    case "EAI_AGAIN":
    case "ESERVFAIL":
    case "ETIMEOUT":
      return ["dns", `no address for ${place} now: the DNS server does not answer`];
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EADDRNOTAVAIL":
      return ["unreachable", `no route to ${place}: look at the network between here and there`];
    case "ETIMEDOUT":
    case "UND_ERR_CONNECT_TIMEOUT":
      return ["timeout", `no connection to ${place}: the network does not answer, a firewall may drop it`];
    case "ECONNRESET":
    case "EPIPE":
    case "UND_ERR_SOCKET":
      // HAProxy says no word to who speaks in plain where it waits for TLS.
      return ["closed", `${place} closed the connection before the end of the answer${asksForTls(place)}`];
    case "EACCES":
    case "EPERM":
      return ["denied", `this machine may not connect to ${place}: a firewall rule forbids it`];
    default:
      return undefined;
  }
}

function asksForTls(place: string): string {
  return place.startsWith("http:") ? ": if it speaks TLS, write https: instead of http:" : "";
}
