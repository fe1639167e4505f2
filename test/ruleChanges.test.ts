import { describe, expect, it } from "vitest";
import { ReceiverBook } from "../src/config/receiverBook.ts";
import type { RuleChange, Version } from "../src/config/reconcile.ts";
import { readingOf } from "../src/config/scan.ts";
import { TocsinError } from "../src/lib/errors.ts";
import { silentLogger } from "../src/lib/log.ts";
import { createMappings, ruleApplier } from "../src/ruleChanges.ts";
import { DEFAULTS, HEAD } from "./config/loading.ts";
import { FakeClock } from "./helpers/fakeClock.ts";

/** A version of a file whose receiver of that name is at that address. */
function aVersion(receiver: string, url: string, file = "a.yaml"): Version {
  const text = `${HEAD.replaceAll("web", file)}receivers:\n  ${receiver}: {type: webhook, class: notice, alarm_url: "${url}"}\nalarms: []\n`;
  const reading = readingOf({ name: file, shownAs: file }, text, DEFAULTS);
  if (reading.kind === "broken") throw new Error(reading.diagnostics.map(({ message }) => message).join("; "));
  return reading.version;
}

const apply = (version: Version): RuleChange => ({
  kind: "apply",
  clusterId: version.cluster.rules.clusterId,
  version,
  before: undefined,
});

const mappings = createMappings({ families: [], ignore: [], unmapped: "warn" }, silentLogger);

function aService(running: readonly Version[]) {
  const clock = new FakeClock();
  const receivers = new ReceiverBook(
    running.map(({ cluster }) => cluster),
    {},
  );
  const happened: string[] = [];
  const service = {
    happened,
    clock,
    /** Of every receiver that the tests name: its address, as a send finds it now. */
    urls: () =>
      ["old", "new", "same"].map((name) => {
        const target = receivers.resolve("a.yaml", name);
        return target?.kind === "webhook" ? target.url : undefined;
      }),
    revise: async (): Promise<void> => {},
    apply: (_: RuleChange): Promise<void> => Promise.resolve(),
  };
  service.apply = ruleApplier({
    clock,
    receivers,
    evaluator: {
      async revise(clusterId, rules) {
        happened.push(`revise ${clusterId} ${rules ? "rules" : "none"}: ${service.urls().join(" ")}`);
        await service.revise();
      },
    },
    collector: {
      update: ({ text }) => happened.push(`update ${text}`),
    },
    mappingOf: (rules) => ({ ...mappings.of(rules), text: rules.map(({ clusterId }) => clusterId).join(" ") }),
    rules: running.map(({ cluster }) => cluster.rules),
  });
  return service;
}

describe("a change of the rules", () => {
  it("reaches receivers, then the evaluator, then the collector; until it is recorded old receivers are known too", async () => {
    const service = aService([aVersion("old", "http://h/1"), aVersion("x", "http://h/x", "b.yaml")]);
    await service.apply(apply(aVersion("new", "http://h/2")));
    service.clock.advance(0);
    expect(service.happened).toEqual(["revise a.yaml rules: http://h/1 http://h/2 ", "update a.yaml b.yaml"]);
    expect(service.urls()).toEqual([undefined, "http://h/2", undefined]);
  });

  it("a receiver of the same name is the newest one at once", async () => {
    const service = aService([aVersion("same", "http://h/1")]);
    await service.apply(apply(aVersion("same", "http://h/2")));
    expect(service.happened).toEqual(["revise a.yaml rules:   http://h/2"]);
  });

  it("that cannot be recorded leaves all as it was", async () => {
    const service = aService([aVersion("old", "http://h/1")]);
    service.revise = () => Promise.reject(new TocsinError("E404", "the disk is full"));
    await expect(service.apply(apply(aVersion("new", "http://h/2")))).rejects.toThrow("the disk is full");
    service.clock.advance(1000);
    expect(service.happened).toHaveLength(1);
    expect(service.urls()).toEqual(["http://h/1", undefined, undefined]);
  });

  it("that retires a cluster takes its receivers and rows away when it is recorded", async () => {
    const version = aVersion("old", "http://h/1");
    const service = aService([version, aVersion("x", "http://h/x", "b.yaml")]);
    await service.apply({ kind: "retire", clusterId: "a.yaml", before: version });
    service.clock.advance(0);
    expect(service.happened).toEqual(["revise a.yaml none: http://h/1  ", "update b.yaml"]);
    expect(service.urls()).toEqual([undefined, undefined, undefined]);
  });

  it("many at once are one new mapping", async () => {
    const service = aService([]);
    const versions = ["a.yaml", "b.yaml", "c.yaml"].map((file) => aVersion("x", "http://h/x", file));
    await Promise.all(versions.map((version) => service.apply(apply(version))));
    service.clock.advance(0);
    expect(service.happened.filter((one) => one.startsWith("update"))).toEqual(["update a.yaml b.yaml c.yaml"]);
  });
});

it("rows that two files claim are said once, whatever changes", () => {
  const told: unknown[] = [];
  const log = { ...silentLogger, warn: (text: string, facts?: object) => told.push([text, facts]) };
  const { of: make } = createMappings({ families: [], ignore: [], unmapped: "warn" }, log);
  const rules = ["a.yaml", "b.yaml"].map((file) => aVersion("x", "http://h/x", file).cluster.rules);
  const claiming = rules.map((own) => ({
    ...own,
    rows: [{ kind: "proxy", pattern: "shop*", source: undefined } as const],
  }));
  for (const own of [claiming, claiming, [...claiming].reverse()]) make(own).clustersOf("local", "shop");
  const text = "two rule files claim the same rows: the first has them";
  expect(told).toEqual([
    [text, { source: "local", proxy: "shop", file: "a.yaml", others: ["b.yaml"] }],
    [text, { source: "local", proxy: "shop", file: "b.yaml", others: ["a.yaml"] }],
  ]);
});

it("a cluster without a rule file has the name that its family gives it", () => {
  const family = {
    kind: "proxy",
    pattern: "{it}_x",
    clusterId: "{it}",
    source: undefined,
    clusterName: "the {it}",
  } as const;
  const { of: make, named } = createMappings({ families: [family], ignore: [], unmapped: "warn" }, silentLogger);
  make([]).clustersOf("local", "nova_x");
  const view = { cluster_id: "nova", cluster_name: "nova", servers: 2 };
  expect(named(view)).toEqual({ cluster_id: "nova", cluster_name: "the nova", servers: 2 });
  expect(named({ ...view, cluster_name: "own" }).cluster_name).toBe("own");
  expect(named({ ...view, cluster_id: "glance", cluster_name: "glance" }).cluster_name).toBe("glance");
});
