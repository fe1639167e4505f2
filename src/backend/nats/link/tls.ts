/** How the connection is secured. */

import type { Socket } from "node:net";
import type { PeerCertificate, ConnectionOptions as TlsConnection } from "node:tls";
import { checkServerIdentity } from "node:tls";
import type { TlsOptions } from "nats";
import type { NatsSettings } from "../../../config/busSettings.ts";

/**
 * Options of the client; `undefined`: it upgrades by itself where a server wants it, and goes on without where none does.
 * With options it never goes on without.
 */
export function tlsOptions({ servers, tls }: NatsSettings): (TlsOptions & Checking) | undefined {
  if (tls === undefined && !servers.some((server) => /^tls:/i.test(server))) return undefined;
  return { ...tls, checkServerIdentity: isItself };
}

interface Checking {
  readonly checkServerIdentity: typeof checkServerIdentity;
}

/**
 * The client names no host where the server is given by its address, and Node then takes it for `localhost`: a
 * certificate for the address would be refused, and one for `localhost` would do for every server.
 */
function isItself(this: unknown, host: string, certificate: PeerCertificate): Error | undefined {
  const { servername = "", socket } = this as Pick<TlsConnection, "servername"> & { readonly socket?: Socket };
  const address = servername === "" ? socket?.remoteAddress : host;
  return address === undefined
    ? new Error("nobody knows which server this is")
    : checkServerIdentity(address, certificate);
}
