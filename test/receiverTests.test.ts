import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ReceiverBook } from "../src/config/receiverBook.ts";
import { loadRules } from "../src/config/rules.ts";
import { createAddressPolicy } from "../src/lib/addressPolicy.ts";
import { parseHttpDate, systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/log.ts";
import { Notifier } from "../src/notifier/notifier.ts";
import type { ReceiverTestOptions } from "../src/receiverTests.ts";
import { receiversOf } from "../src/receiverTests.ts";
import { answerOf, rawReceiver } from "./helpers/receiver.ts";
import { temporaryFolder } from "./helpers/sockets.ts";

const NOW = Date.parse("2026-11-21T00:53:09.000Z");
const ID = "e6ffba58-fc74-53b5-9182-d85398bf5530";
const ENVIRONMENT = {
  TRUST: "trust+http://senlin.example/x",
  META: "http://169.254.169.254/latest",
  HOST: "Hidden-host.example",
  LOCAL: "127.0.0.9",
  TOKEN: "hunter2-hunter2",
  HOOK: "T0/B0/s3cretpath",
  TEAM: 'blue "team" é',
};

/** The receivers of one rule file, with the real notifier behind them. */
function setUp(receivers: string, own: Partial<ReceiverTestOptions> = {}) {
  using folder = temporaryFolder();
  const path = join(folder.path, "web.yaml");
  writeFileSync(path, `version: 1\ncluster_id: web\nhaproxy:\n  - proxy: web\nreceivers:\n${receivers}\nalarms: []\n`);
  const defaults = { repeatIntervalS: 60, timeoutS: 5, intervalS: 10, environment: ENVIRONMENT };
  const loaded = loadRules([path], folder.path, defaults);
  expect(loaded.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const directory = new ReceiverBook(loaded.clusters, ENVIRONMENT);
  const policy = createAddressPolicy({ allow: [], deny: ["10.9.9.9"] });
  const notifier = new Notifier({
    clock: systemClock,
    parseDate: parseHttpDate,
    log: silentLogger,
    receivers: directory,
    policy,
    version: "1.2.3",
    connectTimeoutMs: 1000,
    concurrency: 10,
    perOrigin: 10,
  });
  const lookups: string[] = [];
  const service = receiversOf({
    directory,
    notifier,
    policy,
    async lookup(hostname) {
      lookups.push(hostname);
      return ["10.0.0.5", "169.254.169.254"];
    },
    cluster: () => ({ lane: "idle", shadow: false }),
    clock: { now: () => NOW },
    newId: () => ID,
    ...own,
  });
  return { ...service, notifier, lookups };
}

const scaler = (url: string, more = "") => `  scaler: {direction: out, alarm_url: "${url}"${more}}`;

describe("what is listed", () => {
  it("of each receiver: what it is, where it is without its secrets, and how it is", () => {
    const { receivers } = setUp(
      [
        scaler("https://user.example:8443/v1/webhooks/s3cret/trigger?V=2"),
        `  hook: {alarm_url: "https://hooks.example/\${env:HOOK}", mode: shadow}`,
        "  journal: {type: log}",
      ].join("\n"),
      {
        notifier: {
          sender: {
            preview: () => {
              throw new Error("not asked for");
            },
            prepare: () => {
              throw new Error("not asked for");
            },
          },
          breakerOf: (_, name) => (name === "hook" ? "open" : "closed"),
          failingOf: (_, name) => (name === "hook" ? "the receiver answered 500" : undefined),
        },
      },
    );
    const common = { cluster_id: "web", cluster_name: "web", breaker: "closed", failing: null, shadow: false };
    expect(receivers()).toEqual([
      {
        ...common,
        name: "hook",
        class: "notice",
        direction: null,
        target: "https://hooks.example/…",
        shadow: true,
        breaker: "open",
        failing: "the receiver answered 500",
      },
      { ...common, name: "journal", class: "notice", direction: null, target: "log:" },
      { ...common, name: "scaler", class: "control", direction: "out", target: "https://user.example:8443/…" },
    ]);
  });
});

describe("the dry run", () => {
  it("shows the request as it would go, with every secret starred out, and sends nothing", async () => {
    await using receiver = await rawReceiver(answerOf(202));
    const { testReceiver } = setUp(
      scaler(
        `http://127.0.0.1:${receiver.port}/v1/webhooks/s3cret-webhook-id/trigger?V=2`,
        `, headers: {X-Token: "\${env:TOKEN}", Accept: text/plain}, sign: {scheme: standard-webhooks, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}`,
      ),
    );
    const found = await testReceiver("web", "scaler", false);
    expect(found).toEqual({
      name: "scaler",
      cluster_id: "web",
      cluster_name: "web",
      class: "control",
      direction: "out",
      target: `http://127.0.0.1:${receiver.port}/…`,
      headers: expect.objectContaining({
        host: `127.0.0.1:${receiver.port}`,
        "content-type": "application/json",
        accept: "***",
        "x-token": "***",
        "user-agent": "tocsin/1.2.3",
        "webhook-id": `msg_${ID}`,
        "webhook-signature": "***",
        "tocsin-test": "true",
      }),
      body: expect.stringMatching(
        /^\{"alarm_name": "tocsin test", .*"previous": "ok", "current": "ok", "reason": "Test of receiver scaler; nothing has happened"/,
      ),
      addresses: [{ address: "127.0.0.1", refused: null }],
      problem: null,
      outcome: null,
    });
    expect(JSON.stringify(found)).not.toMatch(/hunter2|s3cret|MfKQ|text\/plain/);
    expect(receiver.connections()).toBe(0);
  });

  it("shows no secret of a body of one's own, nor of its labels", async () => {
    const { testReceiver } = setUp(
      `  chat: {alarm_url: "http://127.0.0.1/x", body: {text: "[\${env:TOKEN}] \${alarm_name}", deep: [{team: "\${env:TEAM}"}], plain: "\${receiver}"}}`,
    );
    const { body, problem } = await testReceiver("web", "chat", false);
    expect(problem).toBeNull();
    expect(JSON.parse(body)).toEqual({ text: "[***] tocsin test", deep: [{ team: "***" }], plain: "chat" });
  });

  it("tells which addresses are refused, and that it is a problem where all are", async () => {
    const { testReceiver, lookups } = setUp(scaler("https://senlin.example:8778/v1"));
    const { addresses, problem } = await testReceiver("web", "scaler", false);
    expect(lookups).toEqual(["senlin.example"]);
    expect(problem).toBeNull();
    expect(addresses).toEqual([
      { address: "10.0.0.5", refused: null },
      { address: "169.254.169.254", refused: expect.stringContaining("link-local") },
    ]);
    const denied = setUp(scaler("https://senlin.example:8778/v1"), { lookup: async () => ["10.9.9.9"] });
    expect(await denied.testReceiver("web", "scaler", true)).toMatchObject({
      problem: expect.stringContaining("notifier.deny has 10.9.9.9"),
      outcome: null,
    });
  });

  it.each([
    {
      name: "a secret that cannot be read",
      receivers: scaler(`https://senlin.example/\${env:MISSING}`),
      problem: /MISSING/,
    },
    {
      name: "an address by a secret that is refused, and not looked up",
      receivers: `  scaler: {alarm_url: "\${env:META}"}`,
      problem: /^\*\*\* is link-local: refused/,
    },
    {
      name: "Keystone is missing",
      receivers: `  scaler: {direction: out, alarm_url: "\${env:TRUST}"}`,
      problem: /keystone/i,
    },
    {
      name: "a host without addresses",
      receivers: scaler("https://senlin.example/x"),
      own: { lookup: () => Promise.reject(Object.assign(new Error("none"), { code: "ENOTFOUND" })) },
      problem: /^no address of senlin.example is found: ENOTFOUND$/,
    },
    {
      name: "a host by a secret without addresses, and not shown",
      receivers: scaler(`https://\${env:HOST}:8/x`),
      own: { lookup: () => Promise.reject(new Error("getaddrinfo ENOTFOUND hidden-host.example")) },
      problem: /^no address of \*\*\* is found: getaddrinfo ENOTFOUND \*\*\*$/,
    },
    {
      name: "a host by a secret whose addresses are refused, and not shown",
      receivers: scaler(`https://\${env:HOST}/x`),
      own: { lookup: async () => ["10.9.9.9"] },
      problem: /^\*\*\*, which resolves to 10.9.9.9, is refused: notifier.deny has 10.9.9.9$/,
    },
  ])("$name is its problem", async ({ receivers, own, problem }) => {
    const { testReceiver } = setUp(receivers, own);
    const found = await testReceiver("web", "scaler", true);
    expect(found.problem).toMatch(problem);
    expect(found.outcome).toBeNull();
  });

  it("shows no address that a secret is", async () => {
    const { testReceiver } = setUp(`  scaler: {alarm_url: "http://\${env:LOCAL}:1/x"}`);
    const found = await testReceiver("web", "scaler", false);
    expect(found).toMatchObject({ addresses: [{ address: "***", refused: null }], problem: null });
    expect(JSON.stringify(found)).not.toContain("127.0.0.9");
  });

  it("of what leaves nothing shows nothing", async () => {
    const { testReceiver } = setUp("  journal: {type: log}");
    expect(await testReceiver("web", "journal", true)).toMatchObject({
      target: "log:",
      headers: {},
      body: "",
      addresses: [],
      problem: null,
      outcome: { outcome: "accepted", reason: "logged" },
    });
  });

  it("of a receiver that is not there is E408", async () => {
    const { testReceiver } = setUp(scaler("http://127.0.0.1/x"));
    await expect(testReceiver("web", "pager", false)).rejects.toMatchObject({ code: "E408" });
    await expect(testReceiver("api", "scaler", false)).rejects.toMatchObject({ code: "E408" });
  });
});

describe("the real one", () => {
  const settled = {
    outcome: "accepted",
    status: 202,
    reason: "the receiver answered 202",
    total_ms: expect.any(Number),
  };

  it("is one POST, marked as a test, that says ok", async () => {
    await using receiver = await rawReceiver(answerOf(202, "took hunter2-hunter2"));
    const { testReceiver, receivers } = setUp(
      scaler(`http://127.0.0.1:${receiver.port}/s3cret?a=1`, `, headers: {X-Token: "\${env:TOKEN}"}`),
    );
    const found = await testReceiver("web", "scaler", true);
    expect(found).toMatchObject({ problem: null, outcome: { ...settled, answer: "took ***" } });
    expect(receiver.received).toHaveLength(1);
    const [{ head, headers, body }] = receiver.received as [(typeof receiver.received)[number]];
    expect(head).toBe("POST /s3cret?a=1 HTTP/1.1");
    expect(headers).toMatchObject({ "tocsin-test": "true", "x-token": "hunter2-hunter2", "webhook-id": `msg_${ID}` });
    expect(JSON.parse(body)).toMatchObject({ alarm_name: "tocsin test", previous: "ok", current: "ok", alarm_id: ID });
    expect(receivers()[0]?.failing).toBeNull();
  });

  it("a receiver that refuses it, and one that is not there", async () => {
    let url = "";
    {
      await using receiver = await rawReceiver(answerOf(503, "busy"));
      url = `http://127.0.0.1:${receiver.port}/x`;
      expect(await setUp(scaler(url)).testReceiver("web", "scaler", true)).toMatchObject({
        problem: null,
        outcome: { outcome: "not_run", status: 503, answer: "busy" },
      });
      expect(receiver.received).toHaveLength(1);
    }
    expect(await setUp(scaler(url)).testReceiver("web", "scaler", true)).toMatchObject({
      outcome: { outcome: "not_run", status: null, reason: expect.stringContaining("ECONNREFUSED"), answer: null },
    });
  });

  it.each([
    { lane: "settling (out)", shadow: false, why: "the cluster's own scaling is settling (out)" },
    { lane: "owed", shadow: false, why: "the cluster's own scaling is owed" },
    { lane: "idle", shadow: true, why: "it is in shadow mode" },
  ])("is refused while the lane is $lane, shadow $shadow", async ({ why, ...cluster }) => {
    await using receiver = await rawReceiver(answerOf(202));
    const url = `http://127.0.0.1:${receiver.port}/x`;
    const { testReceiver } = setUp(scaler(url), { cluster: () => cluster });
    await expect(testReceiver("web", "scaler", true)).rejects.toMatchObject({
      code: "E409",
      message: expect.stringContaining(why),
    });
    expect(await testReceiver("web", "scaler", false)).toMatchObject({ problem: null });
    expect(receiver.connections()).toBe(0);
  });

  it("who only tells may be tested while the cluster scales; a receiver in shadow may not", async () => {
    await using receiver = await rawReceiver(answerOf(202));
    const url = `http://127.0.0.1:${receiver.port}/x`;
    const { testReceiver } = setUp(`  ops: {alarm_url: "${url}"}\n  dark: {alarm_url: "${url}", mode: shadow}`, {
      cluster: () => ({ lane: "in flight (out)", shadow: false }),
    });
    expect(await testReceiver("web", "ops", true)).toMatchObject({ outcome: settled });
    await expect(testReceiver("web", "dark", true)).rejects.toMatchObject({ code: "E409" });
    expect(receiver.received).toHaveLength(1);
  });

  it("is refused while another of the same receiver is under way", async () => {
    const arrived = Promise.withResolvers<() => void>();
    await using receiver = await rawReceiver((socket) => arrived.resolve(() => socket.end(answerOf(202))));
    const { testReceiver } = setUp(scaler(`http://127.0.0.1:${receiver.port}/x`));
    const first = testReceiver("web", "scaler", true);
    const answer = await arrived.promise;
    await expect(testReceiver("web", "scaler", true)).rejects.toMatchObject({
      code: "E409",
      message: "receiver scaler is not tested now: a test of it is under way",
    });
    answer();
    expect((await first).outcome).toMatchObject(settled);
    expect(receiver.received).toHaveLength(1);
  });
});
