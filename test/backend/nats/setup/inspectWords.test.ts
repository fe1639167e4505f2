import { expect, it } from "vitest";
import { busNames } from "../../../../src/backend/nats/names.ts";
import type { BusFindings, StreamFinding } from "../../../../src/backend/nats/setup/inspect.ts";
import type {
  ReportedMember,
  ReportedPartition,
  ReportedStream,
} from "../../../../src/backend/nats/setup/inspectReport.ts";
import { findingsOf } from "../../../../src/backend/nats/setup/inspectWords.ts";
import { differences, wantedStreams } from "../../../../src/backend/nats/setup/streams.ts";
import { natsSettings } from "../../../helpers/natsSettings.ts";

const settings = natsSettings(["nats://n:4222"]);
const [log, samples] = wantedStreams(busNames("tocsin"), settings);
const finding = (wanted = log!): StreamFinding => ({ wanted, status: "ok", differences: [] });
const record = { version: 1, partitions: 2, intervalMs: 10_000 };
const findings: BusFindings = {
  streams: [finding(), finding(samples)],
  setup: { status: "ok", wanted: record, recorded: record, revision: 1 },
};
const stream = (name: string, more: Partial<ReportedStream> = {}): ReportedStream => ({
  name,
  kind: "stream",
  status: "ok",
  differences: [],
  messages: 1,
  bytes: 95,
  max_bytes: null,
  copies: 3,
  copies_behind: 0,
  readers: 0,
  lag: 0,
  ...more,
});
const engine = (more: Partial<ReportedMember> = {}): ReportedMember => ({
  id: "e1",
  roles: ["engine"],
  host: "h",
  version: "1",
  ready: true,
  alive: true,
  ...more,
});
const parts = (...alive: boolean[]): ReportedPartition[] =>
  alive.map((is, partition) => ({ partition, owner: is ? "e1" : null, alive: is }));
const streams = [stream("tocsin_log"), stream("tocsin_samples")];

it.each<[string, Parameters<typeof findingsOf>, readonly (string | RegExp)[]]>([
  ["all is well", [findings, streams, [engine()], parts(true, true)], []],
  ["nobody has begun yet", [findings, streams, [], parts(false, false)], []],
  ["an engine is reading the log", [findings, streams, [engine({ ready: false })], parts(false, false)], []],
  [
    "parts without anybody",
    [findings, streams, [engine()], parts(...Array.from({ length: 12 }, () => false))],
    ["nobody works on partitions 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 others"],
  ],
  [
    "a copy is away",
    [findings, [stream("tocsin_log", { copies_behind: 1 })], [], []],
    ["tocsin_log: 1 of 3 copies are away, or have not everything yet"],
  ],
  [
    "the log is nearly full; samples may be",
    [findings, [stream("tocsin_log", { max_bytes: 100 }), stream("tocsin_samples", { max_bytes: 100 })], [], []],
    ["tocsin_log is nearly full: raise its max_bytes, or keep less of it"],
  ],
  [
    "something differs",
    [findings, [stream("tocsin_log", { status: "differs", differences: ["a is 1, wanted 2"] })], [], []],
    ["tocsin_log: a is 1, wanted 2"],
  ],
  [
    "it was set up for others",
    [
      { ...findings, setup: { ...findings.setup, status: "differs", wanted: { ...record, partitions: 4 } } },
      streams,
      [],
      [],
    ],
    [/^the bus was set up for 2 partitions .* say 4 partitions/],
  ],
  [
    "nothing is recorded",
    [{ ...findings, setup: { status: "missing", wanted: record, revision: 0 } }, streams, [], []],
    ['what it is set up for is not recorded: run "tocsin bus setup"'],
  ],
])("%s", (_, given, says) => {
  const found = findingsOf(...given);
  expect(found).toHaveLength(says.length);
  for (const [index, one] of says.entries())
    if (typeof one === "string") expect(found[index]).toBe(one);
    else expect(found[index]).toMatch(one);
});

it("what a server leaves out is off, or without bound; the order of subjects says nothing", () => {
  const { subjects } = log!.config;
  const given = { ...log!.config, subjects: subjects.toReversed() };
  const { no_ack: _ack, sealed: _sealed, discard_new_per_subject: _per, allow_direct: _direct, ...short } = given;
  expect(differences(log!, short)).toEqual([]);
  expect(differences(log!, { ...given, max_msgs: 0, max_bytes: 0 })).toEqual([]);
  expect(differences(log!, { ...given, mirror: { name: "other" } })).toMatchObject([
    { flag: "mirror", canChange: false },
  ]);
  expect(differences(log!, { ...given, sources: [{ name: "other" }] })).toMatchObject([{ flag: "sources" }]);
});

it("what the log is kept for and how much of it is mild, that it forgets by age is not", () => {
  const of = (wanted: typeof log, more: object) => differences(wanted!, { ...wanted!.config, ...more });
  expect(of(log, { max_bytes: 5 })).toMatchObject([{ isMild: true }]);
  expect(of(samples, { max_age: 5 })).toMatchObject([{ isMild: true }]);
  expect(of(log, { max_age: 5 })).toMatchObject([{ isMild: false }]);
  expect(of(samples, { max_age: 0 })).toMatchObject([{ isMild: false }]);
});
