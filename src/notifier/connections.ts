/** Connections to receivers: a fresh one for each attempt, or those of a pool where a receiver keeps them. */

import { createHash } from "node:crypto";
import type { Dispatcher } from "undici";
import { buildConnector, Client, Pool } from "undici";
import type { AddressPolicy } from "../lib/addressPolicy.ts";
import type { TlsFiles } from "../ports.ts";
import type { Resolve } from "./lookup.ts";
import { guardedLookup, sharedResolve } from "./lookup.ts";

export interface ConnectionOptions {
  readonly policy: AddressPolicy;
  readonly connectTimeoutMs: number;
  /** Connections of a pool at most. */
  readonly perOrigin: number;
  /** How names become addresses; by default the system's way. */
  readonly resolve?: Resolve;
}

/** Where and how to connect. */
export interface Destination {
  /** `scheme://host:port`. */
  readonly origin: string;
  readonly tls: TlsFiles | undefined;
  readonly keepAlive: boolean;
  readonly isGuest: boolean;
}

export interface Connection {
  readonly dispatcher: Dispatcher;
  /** Nobody waits for it any more: it need not be made. */
  abandon(): void;
}

/** The attempt's own deadline rules; undici's coarser timers must not come first. */
const UNTIMED = { headersTimeout: 0, bodyTimeout: 0, allowH2: false } as const;

export class Connections {
  readonly #options: ConnectionOptions;
  readonly #pools = new Map<string, Pool>();
  readonly #connectors = new Map<boolean, buildConnector.connector>();
  readonly #resolve: Resolve;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#resolve = sharedResolve(options.resolve);
  }

  /** Throws a TypeError when the origin is no URL. */
  take(to: Destination): Connection {
    if (to.keepAlive) return { dispatcher: this.#pool(to), abandon: () => {} };
    // 0 says `connection: close`.
    const client = new Client(to.origin, { ...UNTIMED, pipelining: 0, connect: this.#connector(to) });
    // After a request with `connection: close` it closes by itself, and there is nothing to end.
    return { dispatcher: client, abandon: () => void client.destroy().catch(() => {}) };
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#pools.values()].map((pool) => pool.destroy()));
    this.#pools.clear();
  }

  /** Those without certificates of their own share one: making one takes longer than it looks. */
  #connector({ tls, isGuest }: Destination): buildConnector.connector {
    if (tls) return this.#newConnector(isGuest, tls);
    const known = this.#connectors.get(isGuest) ?? this.#newConnector(isGuest);
    this.#connectors.set(isGuest, known);
    return known;
  }

  #newConnector(isGuest: boolean, tls?: TlsFiles): buildConnector.connector {
    const { policy, connectTimeoutMs } = this.#options;
    return buildConnector({
      // The attempt's own clock rules: this ends what nobody waits for any more.
      timeout: connectTimeoutMs + 1000,
      allowH2: false,
      lookup: guardedLookup(policy, isGuest, this.#resolve),
      minVersion: "TLSv1.2",
      ...tls,
    });
  }

  /** Connections are shared by those that connect alike. */
  #pool(to: Destination): Pool {
    // A hash: there are private keys in it.
    const key = createHash("sha256")
      .update(JSON.stringify([to.origin, to.isGuest, to.tls]))
      .digest("base64");
    const known = this.#pools.get(key);
    if (known) return known;
    const pool = new Pool(to.origin, {
      ...UNTIMED,
      pipelining: 1,
      connections: this.#options.perOrigin,
      connect: this.#connector(to),
    });
    const forget = () => {
      if (pool.stats.size > 0 || pool.stats.connected > 0) return;
      this.#pools.delete(key);
      pool.close().catch(() => {});
    };
    pool.on("disconnect", forget);
    pool.on("connectionError", forget);
    this.#pools.set(key, pool);
    return pool;
  }
}
