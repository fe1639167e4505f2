import { expect, it } from "vitest";
import type { Origin } from "../../src/model/metadata.ts";
import { metadataOf } from "../../src/model/metadata.ts";

const [LB, LISTENER, POOL] = [1, 2, 3].map((n) => `7c9408c4-e876-4832-8c18-49a8ef7c303${n}`) as [
  string,
  string,
  string,
];
const OCTAVIA = `/var/lib/octavia/${LB}.sock`;
const NEUTRON = `/var/lib/neutron/lbaas/v2/${LB}/haproxy_stats.sock`;

it.each<{ name: string; origin: Omit<Origin, "clusterId">; ids: Record<string, string> }>([
  {
    name: "a listener of Octavia",
    origin: { source: OCTAVIA, proxy: LISTENER, kind: "frontend" },
    ids: { listener_id: LISTENER, loadbalancer_id: LB },
  },
  {
    name: "a pool of Octavia",
    origin: { source: OCTAVIA, proxy: `${POOL}:${LISTENER}`, kind: "backend" },
    ids: { listener_id: LISTENER, pool_id: POOL, loadbalancer_id: LB },
  },
  {
    name: "a member of Octavia",
    origin: { source: OCTAVIA, proxy: `${POOL}:${LISTENER}`, server: "m1", kind: "server" },
    ids: { listener_id: LISTENER, pool_id: POOL, loadbalancer_id: LB },
  },
  {
    name: "a listener with a process of its own",
    origin: { source: `/var/lib/octavia/${LISTENER}.sock`, proxy: LISTENER, kind: "frontend" },
    ids: { listener_id: LISTENER },
  },
  {
    name: "its pool",
    origin: { source: `/var/lib/octavia/${LISTENER}.sock`, proxy: POOL, kind: "backend" },
    ids: { listener_id: LISTENER, pool_id: POOL },
  },
  {
    name: "a listener of Neutron",
    origin: { source: NEUTRON, proxy: LISTENER, kind: "frontend" },
    ids: { listener_id: LISTENER, loadbalancer_id: LB },
  },
  {
    name: "a pool of Neutron",
    origin: { source: NEUTRON, proxy: POOL, kind: "backend" },
    ids: { pool_id: POOL, loadbalancer_id: LB },
  },
  { name: "a whole load balancer of Neutron", origin: { source: NEUTRON }, ids: { loadbalancer_id: LB } },
  { name: "Octavia's socket alone may be a listener's", origin: { source: OCTAVIA }, ids: {} },
  { name: "a proxy with a name", origin: { source: "controller01", proxy: "nova_cluster", kind: "backend" }, ids: {} },
])("metadata of $name", ({ origin, ids }) => {
  const { kind, ...rest } = origin;
  expect(metadataOf({ clusterId: "web", clusterName: "Web", version: "2.6.12", ...origin })).toEqual({
    cluster_id: "web",
    cluster_name: "Web",
    "user_metadata.cluster_id": "web",
    haproxy_version: "2.6.12",
    ...rest,
    ...(kind ? { row_type: kind } : {}),
    ...ids,
  });
});

it("leaves out what is not known", () => {
  expect(metadataOf({ clusterId: "web", version: "", proxy: undefined })).toEqual({
    cluster_id: "web",
    "user_metadata.cluster_id": "web",
  });
});
