import { describe, expect, it } from "vitest";
import { ceilometerMismatch, clusterLabels, gnocchiMismatch, isResource } from "../../src/config/clusterQuery.ts";

const labels = clusterLabels({
  version: 1,
  cluster_id: "id-1",
  cluster_name: "shop",
  haproxy: [{ frontend: "front" }, { backend: "pool-*" }],
  alarms: [],
});
const gnocchi = (query: unknown) => gnocchiMismatch(query, labels, "id-1");
const ceilometer = (query: unknown) => ceilometerMismatch(query, labels, "id-1");

describe("Gnocchi's queries", () => {
  it.each([
    { query: { "=": { cluster_id: "id-1" } } },
    { query: { eq: { server_group: "shop" } } },
    { query: { "=": { "metadata.user_metadata.cluster_id": "id-1" } } },
    { query: { "=": { "metering.server_group": "id-1" } } },
    { query: { "=": { "resource_metadata.cluster_name": "shop" } } },
    { query: { "=": { id: "front" } } },
    { query: { "=": { name: "pool-7" } } },
    { query: { like: { name: "fro%" } } },
    { query: { in: { cluster_name: ["other", "shop"] } } },
    { query: { "!=": { cluster_id: "id-2" } } },
    { query: { and: [{ "=": { cluster_id: "id-1" } }, { not: { "=": { cluster_name: "x" } } }] } },
    { query: { or: [{ "=": { cluster_id: "x" } }, { "=": { server_group: "id-1" } }] } },
  ])("selects the cluster: $query", ({ query }) => {
    expect(gnocchi(query)).toBeUndefined();
    expect(gnocchi(JSON.stringify(query))).toBeUndefined();
  });

  it.each([
    [{ "=": { cluster_id: "shop" } }, "selects something else than cluster id-1"],
    [{ like: { cluster_name: "sh" } }, "selects something else than cluster id-1"],
    [{ in: { cluster_id: ["a", "b"] } }, "selects something else than cluster id-1"],
    [{ not: { "=": { cluster_id: "id-1" } } }, "selects something else than cluster id-1"],
    [{ "!=": { cluster_name: "shop" } }, "selects something else than cluster id-1"],
    [
      { and: [{ "=": { cluster_id: "id-1" } }, { "=": { cluster_name: "x" } }] },
      "selects something else than cluster id-1",
    ],
    [{ "=": { flavor: "x" } }, 'speaks of "flavor", which no cluster here has'],
    [{ not: { "=": { flavor: "x" } } }, 'speaks of "flavor", which no cluster here has'],
    [{ ">": { cluster_id: 5 } }, 'uses ">": known are and, or, not, =, !=, in, like'],
    [{ and: { "=": {} } }, 'needs a list after "and"'],
    [{ in: { cluster_id: "id-1" } }, 'needs a list after "in"'],
    [{ "=": "x" }, 'needs one {field: value} after "="'],
    [{}, "has {} where {operator: …} with one operator is expected"],
    [null, "has null where {operator: …} with one operator is expected"],
    [undefined, "has nothing where {operator: …} with one operator is expected"],
    ["{", expect.stringMatching(/^is not JSON: /)],
    [
      Array.from({ length: 30 }).reduce((inner: unknown) => ({ not: inner }), { "=": { cluster_id: "id-1" } }),
      "is nested more than 20 deep",
    ],
  ])("%j: %s", (query, says) => expect(gnocchi(query)).toEqual(says));
});

describe("Ceilometer's queries", () => {
  it.each([
    [undefined],
    [null],
    [[]],
    ["id-1"],
    [{ "metadata.user_metadata.cluster_id": "id-1" }],
    [[{ field: "metadata.metering.cluster_id", op: "eq", value: "id-1", type: "string" }]],
    [[{ field: "resource_id", value: "pool-9" }]],
  ])("%j selects the cluster", (query) => expect(ceilometer(query)).toBeUndefined());

  it.each([
    ["id-2", "selects something else than cluster id-1"],
    [5, "selects something else than cluster id-1"],
    [{ cluster_id: "id-2" }, "selects something else than cluster id-1"],
    [[{ field: "cluster_id", op: "gt", value: "id-1" }], 'knows the op eq only, not "gt"'],
    [[5], "is a list of {field, op, value}"],
    [[{ field: "user_id", value: "x" }], 'speaks of "user_id", which says nothing about cluster id-1'],
  ])("%j %s", (query, says) => expect(ceilometer(query)).toBe(says));
});

it.each([
  ["id-1", true],
  ["front", true],
  ["pool-3", true],
  ["shop", false],
])("the resource %s: %s", (id, expected) => expect(isResource(labels, id)).toBe(expected));
