/** What a sample is of, in the words of Ceilometer and Octavia. */

import type { RowKind } from "./tick.ts";

/** What is known of a sample. */
export interface Origin {
  readonly clusterId: string;
  readonly clusterName?: string | undefined;
  /** Name of the source: where it is a socket of Octavia or Neutron its path says whose. */
  readonly source?: string | undefined;
  readonly proxy?: string | undefined;
  readonly server?: string | undefined;
  readonly kind?: RowKind | undefined;
  /** HAProxy's; empty: unknown. */
  readonly version?: string | undefined;
}

const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const LISTENER = new RegExp(`^${UUID}$`, "i");
const POOL_OF_LISTENER = new RegExp(`^(${UUID}):(${UUID})$`, "i");
/** Octavia has a socket for each load balancer; before Train, where listeners had processes of their own, for each of them. */
const OCTAVIA_SOCKET = new RegExp(`/(${UUID})\\.sock$`, "i");
const NEUTRON_SOCKET = new RegExp(`/(${UUID})/haproxy_stats\\.sock$`, "i");

/** Metadata of a sample; what is not known is left out. */
export function metadataOf(origin: Origin): Readonly<Record<string, string>> {
  const { clusterId, clusterName, source, proxy, server, kind, version } = origin;
  const known: Readonly<Record<string, string | undefined>> = {
    cluster_id: clusterId,
    cluster_name: clusterName,
    // The selector of Aodh's threshold alarms on a Senlin cluster asks for it by this name.
    "user_metadata.cluster_id": clusterId,
    source,
    proxy,
    server,
    ...idsOf(origin),
    row_type: kind,
    haproxy_version: version,
  };
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(known)) if (value !== undefined && value !== "") metadata[key] = value;
  return metadata;
}

interface Ids {
  readonly listener_id?: string | undefined;
  readonly pool_id?: string | undefined;
  readonly loadbalancer_id?: string | undefined;
}

function idsOf({ source = "", proxy = "", kind }: Origin): Ids {
  const socket = OCTAVIA_SOCKET.exec(source)?.[1];
  const loadbalancer = NEUTRON_SOCKET.exec(source)?.[1] ?? socket;
  const [, pool, listener] = POOL_OF_LISTENER.exec(proxy) ?? [];
  if (pool) return { listener_id: listener, pool_id: pool, loadbalancer_id: loadbalancer };
  if (!LISTENER.test(proxy) || kind === undefined) return { loadbalancer_id: socket ? undefined : loadbalancer };
  if (kind === "frontend" || kind === "listener")
    return { listener_id: proxy, loadbalancer_id: proxy === socket ? undefined : loadbalancer };
  // A pool by itself behind Octavia's socket: there the socket is the listener's.
  return socket === undefined
    ? { pool_id: proxy, loadbalancer_id: loadbalancer }
    : { pool_id: proxy, listener_id: socket };
}
