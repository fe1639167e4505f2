import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { busSecrets, checkBusTls } from "../../src/config/busSecrets.ts";
import type { NatsSettings, Role } from "../../src/config/busSettings.ts";
import { loadSettings } from "../../src/config/settings.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

function load(text: string, environment?: Readonly<Record<string, string>>, roles?: readonly Role[]) {
  using folder = temporaryFolder();
  const path = join(folder.path, "tocsin.yaml");
  writeFileSync(path, `${text}\n`);
  return { ...loadSettings(path, folder.path, environment, roles), folder: folder.path };
}

function said(text: string, environment?: Readonly<Record<string, string>>, roles?: readonly Role[]) {
  const { diagnostics, folder } = load(text, environment, roles);
  return diagnostics.map(({ line, column, code, message, hint }) =>
    `${line}:${column} ${code} ${message}${hint ? ` | ${hint}` : ""}`.replaceAll(folder, "FOLDER"),
  );
}

const nats = (words: string) => `bus: {type: nats, nats: {${words}}}`;
const env = (name: string) => `$\{env:${name}}`;
const INFLUX = 'store: {type: influx, influx: {url: "http://127.0.0.1:8086", database: tocsin}}';

describe("tocsin.yaml, bus:", () => {
  it.each(["", "bus: {}", "bus: {type: local}", "bus: {type: local, nats: {partitions: 8}}"])("%j is local", (text) => {
    const { settings, diagnostics } = load(text, {});
    expect(diagnostics).toEqual([]);
    expect(settings?.bus).toEqual({ type: "local" });
    expect(settings?.roles).toEqual(["collector", "engine", "api"]);
  });

  it("everything has a default", () => {
    expect(load("bus: {type: nats}").settings?.bus).toEqual({
      type: "nats",
      servers: ["nats://127.0.0.1:4222"],
      prefix: "tocsin",
      partitions: 1,
      replicas: 1,
      heartbeatMs: 500,
      ttlMs: 2000,
      samplesAgeS: 600,
      samplesBytes: 2 ** 28,
      logAgeS: 7 * 86_400,
      logBytes: 2 ** 31,
    });
  });

  it("takes words for all of it; paths are relative to the file, secrets stay as they are written", () => {
    const words = `servers: [nats://n1, "tls://n2.example.net:4223", "nats://[::1]:4222/"], prefix: lab-2, creds: c,
      tls: {ca_file: ca.pem, cert_file: /etc/c, key_file: k}, partitions: 32, replicas: 3, heartbeat: 1s, ttl: 5s,
      samples: {retention: 1h, max_bytes: 500MiB}, log: {retention: 0, max_bytes: 0}`;
    const { settings, diagnostics, folder } = load(`${nats(words)}\nroles: [api, engine]`);
    expect(diagnostics).toEqual([]);
    expect(settings?.bus).toEqual({
      type: "nats",
      servers: ["nats://n1:4222", "tls://n2.example.net:4223", "nats://[::1]:4222"],
      prefix: "lab-2",
      credsFile: join(folder, "c"),
      tls: { caFile: join(folder, "ca.pem"), certFile: "/etc/c", keyFile: join(folder, "k") },
      partitions: 32,
      replicas: 3,
      heartbeatMs: 1000,
      ttlMs: 5000,
      samplesAgeS: 3600,
      samplesBytes: 500 * 2 ** 20,
      logAgeS: 0,
      logBytes: 0,
    });
    expect(settings?.roles).toEqual(["engine", "api"]);
    const user = load(nats(`user: u, password: "${env("P")}"`)).settings?.bus;
    expect(user).toMatchObject({ user: "u", password: env("P") });
    expect(load(nats("nkey: seed")).settings?.bus).toMatchObject({ nkeyFile: expect.stringMatching(/\/seed$/) });
  });

  it.each([
    ["bus: {type: redis}", '1:13 E103 "type" must be one of local, nats'],
    [
      "bus: {nats: {partitions: 2}}",
      '1:6 E104 nats is given in bus, and not whether it is used | add "type: nats", or "type: local"',
    ],
    [nats("server: [a]"), '1:26 E102 unknown key "server" | did you mean "servers"?'],
    [nats("servers: []"), '1:35 E103 "servers": at least one server is needed'],
    [nats("servers: [http://n]"), '1:36 E103 "servers": expected nats://host:port or tls://host:port'],
    [nats('servers: ["nats://n:99999"]'), '1:36 E103 "servers": expected nats://host:port or tls://host:port'],
    [
      nats('servers: ["nats://u:p@n"]'),
      '1:36 E103 "servers": user and password do not belong into the URL: write user: and password: beside servers',
    ],
    [nats("prefix: a.b"), '1:34 E103 "prefix": expected up to 32 letters, digits, - and _'],
    [nats("partitions: 0"), '1:38 E103 "partitions": must be at least 1'],
    [nats("partitions: 1025"), '1:38 E103 "partitions": must be at most 1024'],
    [nats("replicas: 2"), '1:36 E103 "replicas" must be one of 1, 3, 5'],
    [nats("heartbeat: 50ms"), expect.stringMatching(/^1:37 E103 "heartbeat": a duration of at least 0.1 s is needed/)],
    [nats("heartbeat: 2s"), "1:37 E109 ttl must be at least heartbeat and 500 ms, that is 2.5 s"],
    [nats("heartbeat: 1s, ttl: 1400ms"), "1:46 E109 ttl must be at least heartbeat and 500 ms, that is 1.5 s"],
    [
      nats("samples: {retention: 2m}"),
      expect.stringMatching(/^1:47 E103 "retention": a duration of at least 180 s is needed/),
    ],
    [nats("samples: {max_bytes: 1MiB}"), '1:47 E103 "max_bytes": at least 16MiB is needed, or 0 for no bound'],
    [nats("log: {max_bytes: lots}"), '1:43 E103 "max_bytes": expected a size such as 500MiB, 10GiB or 1GB'],
    [nats("log: {retention: 5m}"), '1:43 E103 "retention": at least 1h is needed, or 0 for no bound'],
    [nats("user: u"), '1:25 E104 password is missing beside user in bus.nats | add "password:"'],
    [nats("password: p"), '1:25 E104 user is missing beside password in bus.nats | add "user:"'],
    [nats("tls: {cert_file: c}"), '1:31 E104 key_file is missing beside cert_file in bus.nats.tls | add "key_file:"'],
    [nats("creds: c, token: t"), "1:43 E108 creds says already who is connecting to NATS | remove token, or creds"],
    [nats(`token: "$\{ENV:T}"`), expect.stringMatching(/^1:33 E103 "token": a secret is written/)],
    [
      nats("nkey: SUAGMJH5XLGZKQQWAWKRZJIGMOU4HPFUYLXJMXOO5NLFEO2OOQJ5LPRDPM"),
      '1:32 E103 "nkey": expected the path of a file: what is secret belongs into it',
    ],
  ])("%s", (text, says) => expect(said(text)).toEqual([says]));

  it("a secret by a misspelt word is shown nowhere", () => {
    const { diagnostics } = load(nats("pasword: hunter22hunter"));
    expect(diagnostics).toHaveLength(1);
    expect(JSON.stringify(diagnostics)).not.toContain("hunter22");
  });

  it("warns at the start of what cannot be read, and of what serves badly", () => {
    const text = `${INFLUX}\n${nats(`user: "${env("U")}", password: "${env("P")}", tls: {ca_file: gone}`)}`;
    expect(said(text, { P: "p" })).toEqual([
      "2:32 W006 the environment has no variable U | the bus cannot be reached until that is mended",
      expect.stringMatching(
        /^2:\d+ W005 cannot read ca_file: ENOENT.* \| the bus cannot be reached until that is mended$/,
      ),
    ]);
    expect(said(`${INFLUX}\n${nats("heartbeat: 1s")}`, {})).toEqual([
      "2:37 W014 a process is taken for dead after 2 s, which is not four heartbeats of 1 s | set ttl to 4s or more",
    ]);
    // Without an environment nobody asks.
    expect(said(text)).toEqual([]);
  });

  it("warns where each process has a history of its own (W013), unless it keeps none", () => {
    const alone = nats("partitions: 2");
    expect(said(alone, {})).toEqual([expect.stringMatching(/^1:13 W013 .* \| set store.type to influx/)]);
    expect(said(`${INFLUX}\n${alone}`, {})).toEqual([]);
    expect(said(`${alone}\nroles: [collector]`, {})).toEqual([]);
    expect(said(alone, {}, ["collector"])).toEqual([]);
  });
});

describe("tocsin.yaml, roles:", () => {
  it.each([
    ["roles: []", '1:8 E103 "roles": at least one role is needed'],
    ["roles: [enigne]", '1:9 E103 "roles" must be one of collector, engine, api | did you mean "engine"?'],
    ["roles: engine", '1:8 E103 "roles" must be a list'],
    [
      "roles: [engine]",
      '1:8 E108 a process that has not all roles reaches the others over NATS | add "bus: {type: nats}", or remove roles',
    ],
    [
      "roles: [engine]\nbus: {type: local, nats: {}}",
      '1:8 E108 a process that has not all roles reaches the others over NATS | add "bus: {type: nats}", or remove roles',
    ],
  ])("%j", (text, says) => expect(said(text)).toEqual([says]));

  it("all of them need no bus, and a flag wins over the file", () => {
    expect(load("roles: [api, collector, engine, api]").settings?.roles).toEqual(["collector", "engine", "api"]);
    expect(load("bus: {type: nats}\nroles: [api]", undefined, ["engine"]).settings?.roles).toEqual(["engine"]);
    expect(load("roles: [api]", undefined, ["collector", "engine", "api"]).diagnostics).toEqual([]);
  });
});

describe("secrets of the bus", () => {
  const settings = (more: Partial<NatsSettings>) => more as NatsSettings;

  it("are read when they are asked for, and no message has one", () => {
    expect(busSecrets(settings({}), {})).toEqual({ kind: "none" });
    expect(busSecrets(settings({ token: env("T") }), { T: "t" })).toEqual({ kind: "token", token: "t" });
    const user = settings({ user: env("U"), password: "p" });
    expect(busSecrets(user, { U: "u" })).toEqual({ kind: "user", user: "u", password: "p" });
    expect(() => busSecrets(user, {})).toThrow("the environment has no variable U");
    expect(() => busSecrets(settings({ credsFile: "/nowhere" }), {})).toThrow(/^cannot read creds of bus.nats: ENOENT/);
    expect(() => checkBusTls(settings({ tls: { keyFile: "/nowhere" } }))).toThrow(/^cannot read key_file of bus.nats/);
    expect(checkBusTls(settings({}))).toBeUndefined();
  });
});

it("any server that is taken can be told from any other, and has a port", () => {
  fc.assert(
    fc.property(fc.domain(), fc.option(fc.integer({ min: 1, max: 65_535 })), fc.boolean(), (host, port, isTls) => {
      const written = `${isTls ? "tls" : "nats"}://${host}${port === null ? "" : `:${port}`}`;
      const bus = load(nats(`servers: ["${written}"]`)).settings?.bus;
      expect(bus).toMatchObject({ servers: [port === null ? `${written}:4222` : written] });
    }),
    { numRuns: 50 },
  );
});
