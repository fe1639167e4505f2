import { expect, it } from "vitest";
import { clustersOfProxy, isFromEntry } from "../../src/collector/mapping.ts";

const octavia = {
  clusterId: "octavia",
  rows: [
    { kind: "frontend", pattern: "9fe70cce", source: undefined },
    { kind: "backend", pattern: "c832ed78*", source: "amphorae" },
  ],
} as const;
const web = { clusterId: "web", rows: [{ kind: "proxy", pattern: "web_*", source: undefined }] } as const;

it.each([
  { source: "local", proxy: "9fe70cce", expected: { frontend: "octavia", backend: undefined } },
  {
    source: "amphorae:/var/lib/octavia/x.sock",
    proxy: "c832ed78:9fe70cce",
    expected: { frontend: undefined, backend: "octavia" },
  },
  { source: "local", proxy: "c832ed78:9fe70cce", expected: { frontend: undefined, backend: undefined } },
  { source: "local", proxy: "web_cluster", expected: { frontend: "web", backend: "web" } },
  { source: "local", proxy: "other", expected: { frontend: undefined, backend: undefined } },
])("$proxy of $source", ({ source, proxy, expected }) => {
  expect(clustersOfProxy([octavia, web], source, proxy)).toEqual(expected);
});

it.each([
  { source: "lb", socket: "/run/a.sock", expected: true },
  { source: "lb:/run/a.sock", socket: "/run/a.sock", expected: false },
  { source: "lb", socket: "/run/*.sock", expected: false },
  { source: "lb:/run/a.sock", socket: "/run/*.sock", expected: true },
  { source: "lb:/run/a.sock", socket: "/var/*.sock", expected: false },
])("T4: is $source still led to by an entry with $socket: $expected", ({ source, socket, expected }) => {
  expect(isFromEntry(source, { name: "lb", socket })).toBe(expected);
});
