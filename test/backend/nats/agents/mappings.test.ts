import { afterAll, beforeAll, expect, it } from "vitest";
import type { ToldMappings } from "../../../../src/backend/nats/agents/mappings.ts";
import { createMappingBook, watchMappings } from "../../../../src/backend/nats/agents/mappings.ts";
import type { NatsLink } from "../../../../src/backend/nats/link/link.ts";
import { setupBus } from "../../../../src/backend/nats/setup/setup.ts";
import type { ClusterRows } from "../../../../src/model/clusterRows.ts";
import { aPrefix, linkTo } from "../../../helpers/natsBus.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import { natsSettings } from "../../../helpers/natsSettings.ts";

let server: NatsNode;
beforeAll(async () => {
  server = await startNats();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

async function aBus(own = server, log = {}) {
  const prefix = aPrefix();
  const link = await linkTo(own.url, prefix, log);
  await setupBus(link, natsSettings([own.url], { prefix }), 10_000);
  return link;
}

const rows = (clusterId: string, pattern: string, file = `rules/${clusterId}.yaml`): ClusterRows => ({
  clusterId,
  file,
  rows: [{ kind: "proxy", pattern, source: undefined }],
  reads: { perServer: [], counters: ["a"] },
});
const FAMILIES = {
  families: [
    { kind: "backend" as const, pattern: "{s}_back", source: undefined, clusterId: "{s}", clusterName: undefined },
  ],
  ignore: ["stats"],
  unmapped: "warn" as const,
};

function watching(link: NatsLink) {
  const told: ToldMappings[] = [];
  const { stop } = watchMappings(link, (one) => told.push(one));
  return {
    told,
    stop,
    ids: () =>
      told
        .at(-1)
        ?.clusters.map(({ clusterId }) => clusterId)
        .join(),
  };
}
const until = (check: () => unknown) => expect.poll(check, { timeout: 15_000, interval: 10 }).toBe(true);

it("what owners put agents are told: all of it first, then each change, in order of the files", async () => {
  const link = await aBus();
  const book = createMappingBook(link);
  await Promise.all([
    book.put(rows("web", "web*", "rules/b.yaml")),
    book.put(rows("ä.b > *", "a*", "rules/a.yaml")),
    book.putFamilies(FAMILIES),
    book.putKnown(3, ["web1/s", "web1/t"]),
    book.putKnown(4, ["web1/t"]),
  ]);
  const { told, ids, stop } = watching(link);
  await until(() => told.length === 1);
  expect(told[0]).toMatchObject({
    clusters: [rows("ä.b > *", "a*", "rules/a.yaml"), rows("web", "web*", "rules/b.yaml")],
    families: FAMILIES,
  });
  expect(told[0]?.known).toEqual(
    new Map([
      ["web1/s", new Set([3])],
      ["web1/t", new Set([3, 4])],
    ]),
  );
  const revision = told[0]!.revision;
  expect(book.newest("web")).toBeLessThanOrEqual(revision);
  await book.put(rows("web", "other*", "rules/b.yaml"));
  await until(() => told.at(-1)!.revision > revision);
  expect(book.newest("web")).toBe(told.at(-1)!.revision);
  expect(told.at(-1)!.clusters[1]?.rows[0]?.pattern).toBe("other*");
  await book.remove("web");
  await until(() => ids() === "ä.b > *");
  expect(book.newest("web")).toBe(told.at(-1)!.revision);
  expect(await book.clusters()).toEqual(["ä.b > *"]);
  stop();
  book.close();
  await link.close();
});

it("what is there already is not written again, whoever wrote it; the revision is known all the same", async () => {
  const link = await aBus();
  const [first, second] = [createMappingBook(link), createMappingBook(link)];
  const writes = async () => (await link.jsm.streams.info(`KV_${link.names.mappings}`)).state.last_seq;
  await first.put(rows("web", "web*"));
  await first.putFamilies(FAMILIES);
  const before = await writes();
  for (const book of [first, second]) {
    await book.put(rows("web", "web*"));
    await book.putFamilies(FAMILIES);
    await book.remove("nobody");
  }
  expect(await writes()).toBe(before);
  expect(second.newest("web")).toBe(first.newest("web"));
  expect(second.newest("nobody")).toBeUndefined();
  expect(await second.clusters()).toEqual(["web"]);
  await link.close();
});

it("a bucket that was made anew: what is put again is written again, and its revisions are the new ones", async () => {
  const link = await aBus();
  const book = createMappingBook(link);
  const { told, ids, stop } = watching(link);
  for (const pattern of ["a", "b", "c"]) await book.put(rows("web", pattern));
  await book.put(rows("gone", "x"));
  await book.remove("gone");
  await until(() => ids() === "web");
  expect([book.newest("web"), book.newest("gone")]).toEqual([3, 5]);
  await link.jsm.streams.delete(`KV_${link.names.mappings}`);
  await setupBus(link, natsSettings([server.url], { prefix: link.names.prefix }), 10_000);
  // Agents say that they go by nothing, and are heard all the same.
  await until(() => ids() === "");
  expect(told.at(-1)?.revision).toBe(0);
  await Promise.all([book.put(rows("web", "c")), book.remove("gone")]);
  expect([book.newest("web"), book.newest("gone")]).toEqual([1, undefined]);
  await until(() => ids() === "web" && told.at(-1)?.revision === 1);
  stop();
  book.close();
  await link.close();
});

it("two that put one cluster at once: both end, and the last one's rows are there", async () => {
  const link = await aBus();
  const books = Array.from({ length: 8 }, () => createMappingBook(link));
  await Promise.all(books.map((book, index) => book.put(rows("web", `p${index}`))));
  const { told, stop } = watching(link);
  await until(() => told.length > 0);
  const last = books.findIndex((book) => book.newest("web") === told[0]!.revision);
  expect(told[0]!.clusters[0]?.rows[0]?.pattern).toBe(`p${last}`);
  // Calls of one book are done in their order.
  await Promise.all([books[0]!.put(rows("web", "x")), books[0]!.remove("web"), books[0]!.put(rows("web", "y"))]);
  await until(() => told.at(-1)!.clusters[0]?.rows[0]?.pattern === "y");
  stop();
  await link.close();
});

it("what cannot be read is left out, and said once", async () => {
  const lines: string[] = [];
  const write = (text: string, fields: object = {}) => void lines.push(`${text} ${JSON.stringify(fields)}`);
  const link = await aBus(server, { log: { debug() {}, info() {}, warn: write, error: write } });
  const book = createMappingBook(link);
  await book.put(rows("good", "good*"));
  const put = (key: string, text: string) => link.js.publish(`$KV.${link.names.mappings}.${key}`, text);
  const bad: [string, string][] = [
    ["cluster.a", "{"],
    ["cluster.b", JSON.stringify(rows("another", "x"))],
    ["cluster.c", JSON.stringify({ ...rows("c", "x"), rows: [{ kind: "odd", pattern: "x" }] })],
    ["cluster.d", JSON.stringify({ ...rows("d", "x"), reads: 5 })],
    ["families", JSON.stringify({ families: [{}], ignore: [], unmapped: "warn" })],
    ["known.x", "[]"],
    ["known.1", "{}"],
    ["other", "[]"],
  ];
  for (const [key, text] of bad) await put(key, text);
  const { told, ids, stop } = watching(link);
  await until(() => told.length > 0);
  expect(ids()).toBe("good");
  expect(told[0]).toMatchObject({ families: undefined, known: new Map() });
  await put("cluster.a", "[");
  await book.put(rows("more", "more*"));
  await until(() => ids() === "good,more");
  expect(lines.map((line) => JSON.parse(line.slice(line.indexOf("{"))))).toEqual(
    bad.map(([key]) => ({ code: "E635", key })),
  );
  stop();
  await link.close();
});

it("a put outlives the server's restart; so does the watch", async () => {
  await using own = await startNats();
  const link = await aBus(own);
  const book = createMappingBook(link);
  const { ids, stop } = watching(link);
  await book.put(rows("a", "a*"));
  await until(() => ids() === "a");
  await own.kill();
  await until(() => !link.isUp());
  const put = book.put(rows("b", "b*"));
  await own.start();
  await put;
  await until(() => ids() === "a,b");
  stop();
  book.close();
  await link.close();
});

it("one who is not the owner any more writes nothing, however long its put has waited", async () => {
  await using own = await startNats();
  const link = await aBus(own);
  const book = createMappingBook(link);
  const { ids, told, stop } = watching(link);
  await Promise.all([book.put(rows("a", "a*")), book.put(rows("b", "b*")), book.putKnown(3, ["x/s"])]);
  await until(() => ids() === "a,b" && told.at(-1)?.known.size === 1);
  const before = book.newest("a");
  await own.kill();
  await until(() => !link.isUp());
  let isOver = false;
  const late = [
    book.put(rows("a", "old*"), () => isOver),
    book.remove("b", () => isOver),
    book.putKnown(3, [], () => isOver),
  ];
  isOver = true;
  await own.start();
  await Promise.all(late);
  expect(book.newest("a")).toBe(before);
  await book.put(rows("c", "c*"));
  await until(() => ids() === "a,b,c");
  expect(told.at(-1)?.clusters[0]).toEqual(rows("a", "a*"));
  expect(told.at(-1)?.known.get("x/s")).toEqual(new Set([3]));
  stop();
  book.close();
  await link.close();
});
