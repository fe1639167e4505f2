import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadSettings } from "../../src/config/settings.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

function load(store: string, environment?: Readonly<Record<string, string>>) {
  using folder = temporaryFolder();
  const path = join(folder.path, "tocsin.yaml");
  writeFileSync(path, `store: {${store}}\n`);
  return { ...loadSettings(path, folder.path, environment), folder: folder.path };
}

function said(store: string, environment?: Readonly<Record<string, string>>): readonly string[] {
  const { diagnostics } = load(store, environment);
  return diagnostics.map(({ code, message, hint }) => `${code} ${message}${hint ? ` | ${hint}` : ""}`);
}

const influx = (words: string) => `type: influx, influx: {url: "http://db:8086"${words === "" ? "" : `, ${words}`}}`;

describe("tocsin.yaml, store.influx:", () => {
  it("by default there is none", () => {
    expect(load("").settings?.store).toMatchObject({ type: "sqlite" });
    expect(load("").settings?.store).not.toHaveProperty("influx");
    expect(load('type: sqlite, influx: {url: "http://db:8086"}').settings?.store).not.toHaveProperty("influx");
  });

  it("has defaults", () => {
    expect(load(influx("")).settings?.store.influx).toEqual({
      url: "http://db:8086",
      database: "tocsin",
      version: "auto",
      spoolBytes: 2 ** 30,
      batchLines: 5000,
      batchDelayMs: 250,
      timeoutMs: 10_000,
    });
  });

  it("takes words for all of them", () => {
    const words = `database: d, retention_policy: rp, org: o, version: 1, username: u, password: '\${env:P}', tls: {ca_file: ca.pem}, spool: 2MiB, batch: {lines: 10, delay: 1s}, timeout: 3s`;
    const { settings, folder } = load(influx(words), { P: "secret" });
    expect(settings?.store.influx).toEqual({
      url: "http://db:8086",
      database: "d",
      retentionPolicy: "rp",
      org: "o",
      version: 1,
      username: "u",
      password: `\${env:P}`,
      caFile: join(folder, "ca.pem"),
      spoolBytes: 2 ** 21,
      batchLines: 10,
      batchDelayMs: 1000,
      timeoutMs: 3000,
    });
    const other = load(`type: influx, influx: {url: "https://db/path/", bucket: b, token: "\${file:/t}", version: 3}`);
    expect(other.settings?.store.influx).toMatchObject({ url: "https://db/path", database: "b", token: `\${file:/t}` });
  });

  it.each([
    ["type: influx", 'E104 influx is missing in store | add "influx: {url: http://host:8086}"'],
    ["type: influx, influx: {}", 'E104 url is missing | add "url:"'],
    [
      'influx: {url: "http://db"}',
      'E104 influx is given in store, and not whether it is used | add "type: influx", or "type: sqlite"',
    ],
    ["type: influxdb", 'E103 "type" must be one of sqlite, influx | did you mean "influx"?'],
    ['type: influx, influx: {url: "db:8086"}', 'E103 "url": expected http(s)://host[:port]'],
    [
      'type: influx, influx: {url: "http://u:p@db:8086"}',
      'E103 "url": user and password do not belong into the URL: write username: and password: beside it',
    ],
    [
      'type: influx, influx: {url: "http://db:8086/?db=x"}',
      'E103 "url": expected http(s)://host[:port], without a query: the database and the org have words of their own',
    ],
    [
      'type: influx, influx: {url: "http://db:8086/api/v2/write"}',
      'E103 "url": expected http(s)://host[:port]: the paths below it are known',
    ],
    [influx("version: 4"), 'E103 "version": must be one of auto, 1, 2, 3'],
    [influx("spool: 1kB"), 'E103 "spool": at least 1MiB is needed'],
    [influx("spool: much"), 'E103 "spool": expected a size such as 500MiB, 10GiB or 1GB'],
    [influx("batch: {lines: 0}"), 'E103 "lines": must be at least 1'],
    [influx('database: ""'), 'E103 "database": must not be empty'],
    [influx('database: "a\\nb"'), 'E103 "database": must not hold control characters'],
    [
      influx("database: a, bucket: b"),
      "E108 database and bucket say the same in store.influx | remove bucket, or database",
    ],
    [
      influx("token: t, username: u, password: p"),
      "E108 token says already who is writing to InfluxDB | remove username, or token",
    ],
    [influx("username: u"), 'E104 password is missing beside username in store.influx | add "password:"'],
    [influx("tokn: t"), 'E102 unknown key "tokn" | did you mean "token"?'],
  ])("%s", (text, expected) => expect(said(text)).toEqual([expected]));

  it("what cannot be read now is a warning", () => {
    expect(said(influx(`token: "\${env:NONE}", tls: {ca_file: none.pem}`), {})).toEqual([
      "W006 the environment has no variable NONE | series wait on this disk until that is mended",
      expect.stringMatching(/^W005 cannot read ca_file: .* \| series wait on this disk until that is mended$/),
    ]);
    expect(said(influx(`token: "\${env:T}"`), { T: "x" })).toEqual([]);
  });
});
