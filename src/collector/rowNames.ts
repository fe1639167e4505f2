/** Names of rows that were seen in an answer: each row is there once. */

import type { RowTable } from "./rowTable.ts";

/** Longest name of a proxy or server, bytes; a row of a longer one is skipped. */
export const MAX_NAME_BYTES = 256;

/** Kinds that a server name of a proxy was seen as, as bits. */
export type RowNames = Map<string, Map<string, number>>;

/** The names of these rows. */
export function namesIn({ size, proxies, servers, kinds }: RowTable): RowNames {
  const seen: RowNames = new Map();
  for (let row = 0; row < size; row++) addName(seen, proxies[row] ?? "", servers[row] ?? "", kinds[row] ?? 0);
  return seen;
}

/** Adds a name; whether it was not there yet. */
export function addName(seen: RowNames, proxy: string, server: string, kind: number): boolean {
  let servers = seen.get(proxy);
  if (!servers) {
    servers = new Map();
    seen.set(proxy, servers);
  }
  const kinds = servers.get(server) ?? 0;
  servers.set(server, kinds | (1 << kind));
  return (kinds & (1 << kind)) === 0;
}
