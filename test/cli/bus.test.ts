import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memberRecord, ownerKey, ownerRecord } from "../../src/backend/nats/coordination/membersRecord.ts";
import type { BusReport } from "../../src/busNow.ts";
import { reportText } from "../../src/cli/bus.ts";
import { command } from "../helpers/cli.ts";
import { aPrefix, linkTo } from "../helpers/natsBus.ts";
import type { NatsNode } from "../helpers/natsServer.ts";
import { startNats } from "../helpers/natsServer.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

let node: NatsNode;
beforeAll(async () => {
  node = await startNats();
});
afterAll(async () => node[Symbol.asyncDispose]());

/** Runs `tocsin bus …` with settings of its own. */
function aBus(words = "") {
  const folder = temporaryFolder();
  const prefix = aPrefix();
  const settings = (more: string) =>
    `bus: {type: nats, nats: {servers: ["${node.url}"], prefix: ${prefix}, ttl: 1s, heartbeat: 200ms, log: {max_bytes: 0}, samples: {max_bytes: 0}${more}}}\n`;
  const write = (more: string) => writeFileSync(join(folder.path, "tocsin.yaml"), settings(more));
  write(words);
  return {
    prefix,
    write,
    bus: (...args: string[]) => command(["bus", ...args], { cwd: folder.path }),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

describe("tocsin bus", () => {
  it("check says what is missing, setup makes it, check finds all well", async () => {
    using own = aBus(", partitions: 4");
    const before = await own.bus("check");
    expect([before.code, before.err]).toEqual([1, ""]);
    expect(before.out).toContain(`! missing: ${own.prefix}_log, `);
    const dry = await own.bus("setup", "--dry-run");
    expect([dry.code, dry.out.split("\n")[0]]).toEqual([0, `would create ${own.prefix}_log`]);
    expect((await own.bus("check")).code).toBe(1);
    const made = await own.bus("setup");
    expect(made.out).toContain(`created ${own.prefix}_log\n`);
    expect(made.out).toContain(`recorded ${own.prefix}_setup: partitions 4; interval 10 s\n`);
    expect(await own.bus("setup")).toEqual({ code: 0, out: "Nothing to do: the bus is set up.\n", err: "" });
    const { code, out } = await own.bus("check");
    expect([code, out]).toEqual([0, expect.stringMatching(/\n\nAll is well\.\n$/)]);
    expect(out).toMatch(new RegExp(`^${own.prefix}_log +ok +0 +0 B +- +1 +0 +0$`, "m"));
    expect(out).toContain("Nobody is there.");
  });

  it("says how it stands as JSON, too, and what it did", async () => {
    using own = aBus();
    const steps: unknown = JSON.parse((await own.bus("setup", "--json")).out);
    expect(steps).toHaveLength(8);
    const { code, out } = await own.bus("check", "-o", "json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      servers: [node.url],
      prefix: own.prefix,
      findings: [],
      setup: { partitions: 1, interval_s: 10 },
      members: [],
      partitions: [{ partition: 0, owner: null, alive: false }],
      log: { messages: 0, bytes: 0, clusters: 0 },
    });
  });

  it("shows who is there, whatever they say of themselves", async () => {
    using own = aBus();
    await own.bus("setup");
    const link = await linkTo(node.url, own.prefix);
    const member = { id: "e1", isReady: true, roles: ["engine"], host: "h\u001b[2J", version: "1" };
    await link.js.publish(`$KV.${link.names.members}.e1`, memberRecord(member, 1).value);
    await link.js.publish(`$KV.${link.names.owners}.${ownerKey(0)}`, ownerRecord("e1"));
    await link.close();
    const { out } = await own.bus("check");
    expect(out).toMatch(/^e1 +gone +engine +h\\u001b\[2J +1 +0$/m);
  });

  it("refuses with a code", async () => {
    using own = aBus();
    await own.bus("setup");
    own.write(", replicas: 3");
    const { code, err } = await own.bus("setup");
    expect([code, err]).toEqual([1, expect.stringMatching(/^tocsin: NATS keeps \S+_log otherwise: .* \[E604\]\n$/)]);
    expect(await own.bus("check", "-o", "xml")).toMatchObject({
      code: 2,
      err: "tocsin: -o takes table or json, not xml\n",
    });
    using folder = temporaryFolder();
    const alone = await command(["bus", "check"], { cwd: folder.path });
    expect([alone.code, alone.err]).toEqual([1, expect.stringMatching(/ one process does everything \[E607\]\n$/)]);
  });
});

describe("tocsin run --role", () => {
  it.each([
    ["enigne", "tocsin: --role takes collector, engine, api, with commas between them, not enigne\n"],
    ["engine,", "tocsin: --role takes collector, engine, api, with commas between them, not nothing\n"],
    ["engine", "tocsin: a process that has not all roles reaches the others over NATS: set bus.type to nats\n"],
  ])("%s is refused without a bus", async (role, err) => {
    using folder = temporaryFolder();
    expect(await command(["run", "--role", role], { cwd: folder.path })).toEqual({ code: 2, out: "", err });
  });
});

it("partitions of a process are told in short", () => {
  const partitions = Array.from({ length: 64 }, (_, partition) => ({
    partition,
    owner: partition < 4 || partition === 9 ? "a" : partition % 2 === 0 ? "b" : null,
    alive: true,
  }));
  const member = { roles: ["engine"], host: "h", version: "1", ready: true, alive: true };
  const report: BusReport = {
    servers: ["nats://n:4222"],
    prefix: "tocsin",
    findings: [],
    setup: { partitions: 64, interval_s: 10 },
    streams: [],
    members: [
      { id: "a", ...member },
      { id: "b", ...member, ready: false },
    ],
    partitions,
    log: { bytes: 0, messages: 0, clusters: 0 },
  };
  const text = reportText(report);
  expect(text).toMatch(/^a +ready +engine +h +1 +0-3, 9$/m);
  expect(text).toMatch(/^b +starting +engine +h +1 +4, 6, 8, [\d, ]+, … \(30\)$/m);
});
