/** One entry of `collector.sources`: how a HAProxy process, or a glob's worth of them, is reached. */

interface EntryBase {
  readonly name: string;
  /** A built-in default: its absence is no news. */
  readonly quiet: boolean;
}

/** A unix stats socket; a path or a glob of paths. */
export interface SocketEntry extends EntryBase {
  readonly kind: "socket";
  readonly socket: string;
}

/** A stats socket over TCP: the same protocol, without secrets. */
export interface TcpEntry extends EntryBase {
  readonly kind: "tcp";
  readonly host: string;
  readonly port: number;
}

/** The statistics page (CSV), or a Prometheus endpoint of HAProxy or of Octavia. */
export interface WebEntry extends EntryBase {
  readonly kind: "page" | "prometheus";
  /** As configured: without user and password. */
  readonly url: string;
  readonly username?: string;
  /** May hold `${env:…}` and `${file:…}`: resolved for each request, never kept. */
  readonly password?: string;
  /** PEM file of the authority that its certificate must be signed by. */
  readonly caFile?: string;
}

export type SourceEntry = SocketEntry | TcpEntry | WebEntry;
