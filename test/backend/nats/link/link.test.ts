import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { NatsError } from "nats";
import { describe, expect, it } from "vitest";
import type { NatsLink } from "../../../../src/backend/nats/link/link.ts";
import { apiErrorCode, connectNats, isRetryable } from "../../../../src/backend/nats/link/link.ts";
import type { NatsSettings } from "../../../../src/config/busSettings.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import type { Logger } from "../../../../src/ports.ts";
import { certificates } from "../../../helpers/certificates.ts";
import { jwtServer, userNkey } from "../../../helpers/natsJwt.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import { natsSettings } from "../../../helpers/natsSettings.ts";
import { eventually, temporaryFolder } from "../../../helpers/sockets.ts";

interface Tried {
  readonly more?: Partial<NatsSettings>;
  readonly environment?: Record<string, string>;
  readonly withinMs?: number;
  readonly log?: string[];
}

function linkTo(server: string, { more = {}, environment = {}, withinMs = 5000, log = [] }: Tried = {}) {
  const say =
    (level: string) =>
    (text: string, fields: object = {}) =>
      void log.push(`${level} ${text} ${Object.keys(fields).join(" ")}`.trim());
  const logger: Logger = { debug: () => {}, info: say("info"), warn: say("warn"), error: say("error") };
  const settings = natsSettings([server], more);
  return connectNats({ settings, name: "a test", environment, clock: systemClock, log: logger, withinMs });
}

/** What a try says: who is connected as, or code and message of the error. */
async function said(tried: Promise<NatsLink>): Promise<string> {
  try {
    await using link = disposable(await tried);
    return `connected to JetStream with ${(await link.jsm.getAccountInfo()).streams} streams`;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return `${code} ${message}`;
  }
}

const disposable = (link: NatsLink) => Object.assign(link, { [Symbol.asyncDispose]: () => link.close() });
const CONNECTED = "connected to JetStream with 0 streams";
const env = (name: string) => `$\{env:${name}}`;

describe("connectNats", () => {
  it("knows whether it is connected, and closes within 2 s, also when the server is away", async () => {
    await using node = await startNats();
    const link = await linkTo(node.url);
    expect(link.isUp()).toBe(true);
    expect(link.names.prefix).toBe("tocsin");
    const other = await linkTo(node.url);
    await other.close();
    expect(other.isUp()).toBe(false);
    await node.kill();
    await eventually("the bus is lost", () => !link.isUp());
    await link.close();
    expect(link.nc.isClosed()).toBe(true);
    await link.close();
  });

  it("says once that the bus is lost, and once that it is back", async () => {
    await using node = await startNats();
    const log: string[] = [];
    await using link = disposable(await linkTo(node.url, { log }));
    await node.kill();
    await eventually("the bus is lost", () => !link.isUp());
    await node.start();
    await eventually("the bus is back", () => link.isUp());
    expect(log).toEqual(["warn bus lost connection server", "info bus is back connection server"]);
    expect((await link.jsm.getAccountInfo()).streams).toBe(0);
  });

  it("finds a server that comes a little later", async () => {
    await using node = await startNats();
    await node.kill();
    const coming = said(linkTo(node.url));
    await node.start();
    expect(await coming).toBe(CONNECTED);
  });

  it("tells who is not reached, in time (E601)", async () => {
    await using node = await startNats();
    await node.kill();
    expect(await said(linkTo(node.url, { withinMs: 600 }))).toBe(
      `E601 cannot reach NATS at ${node.url}: nobody listens there`,
    );
    // Takes the connection, and says nothing.
    const sockets: Socket[] = [];
    const mute = createServer((socket) => void sockets.push(socket)).listen(0, "127.0.0.1");
    await once(mute, "listening");
    const { port } = mute.address() as { port: number };
    try {
      expect(await said(linkTo(`nats://127.0.0.1:${port}`, { withinMs: 300 }))).toBe(
        `E601 cannot reach NATS at nats://127.0.0.1:${port}: no answer`,
      );
    } finally {
      for (const socket of sockets) socket.destroy();
      mute.close();
    }
  });

  it("tells of a NATS without JetStream (E603), and of one that does not let us ask (E602)", async () => {
    await using node = await startNats(`accounts {
      PLAIN { users: [{ user: plain, password: p }] }
      STREAMS { jetstream: enabled, users: [
        { user: full, password: p },
        { user: poor, password: p, permissions: { publish: { deny: "$JS.API.>" } } }
      ] }
    }`);
    const as = (user: string) => said(linkTo(node.url, { more: { user, password: "p" } }));
    expect(await as("full")).toBe(CONNECTED);
    expect(await as("plain")).toBe(`E603 JetStream is not enabled in NATS at ${node.url}`);
    expect(await as("poor")).toMatch(/^E602 NATS at \S+ refused us: .*Permissions Violation.*\$JS\.API\.INFO/);
  });
});

describe("who we are to NATS", () => {
  const REFUSED = /^E602 NATS at \S+ refused us: its user, password, token or key is missing or wrong$/;

  it("user and password, with secrets of the environment", async () => {
    await using node = await startNats('authorization { user: u, password: "s3cret" }');
    const more = { user: "u", password: env("P") };
    expect(await said(linkTo(node.url, { more, environment: { P: "s3cret" } }))).toBe(CONNECTED);
    const wrong = await said(linkTo(node.url, { more, environment: { P: "wr0ng" } }));
    expect(wrong).toMatch(REFUSED);
    expect(wrong).not.toContain("wr0ng");
    expect(await said(linkTo(node.url))).toMatch(REFUSED);
    expect(await said(linkTo(node.url, { more }))).toBe("E205 the environment has no variable P");
  });

  it("a token", async () => {
    await using node = await startNats("authorization { token: t0ken }");
    expect(await said(linkTo(node.url, { more: { token: "t0ken" } }))).toBe(CONNECTED);
    expect(await said(linkTo(node.url, { more: { token: "other" } }))).toMatch(REFUSED);
  });

  it("the seed of an nkey", async () => {
    using folder = temporaryFolder();
    const [own, other] = [userNkey(), userNkey()];
    await using node = await startNats(`authorization { users: [{ nkey: ${own.publicKey} }] }`);
    const nkeyFile = join(folder.path, "seed");
    const connected = (text: string) => {
      writeFileSync(nkeyFile, text);
      return said(linkTo(node.url, { more: { nkeyFile } }));
    };
    expect(await connected(`${own.seed}\n`)).toBe(CONNECTED);
    expect(await connected(other.seed)).toMatch(REFUSED);
    expect(await connected("no seed")).toBe(`E602 nkey of bus.nats, ${nkeyFile}, holds no seed of a NATS user`);
    const gone = join(folder.path, "gone");
    expect(await said(linkTo(node.url, { more: { nkeyFile: gone } }))).toMatch(/^E205 cannot read nkey of bus.nats/);
  });

  it("a file of credentials", async () => {
    using folder = temporaryFolder();
    const { config, creds } = jwtServer();
    await using node = await startNats(config);
    const credsFile = join(folder.path, "creds");
    const connected = (text: string) => {
      writeFileSync(credsFile, text);
      return said(linkTo(node.url, { more: { credsFile } }));
    };
    expect(await connected(creds)).toBe(CONNECTED);
    expect(await connected(jwtServer().creds)).toMatch(REFUSED);
    expect(await connected("")).toBe(`E602 creds of bus.nats, ${credsFile}, holds no credentials of a NATS user`);
  });

  it("TLS with a certificate of our own, and never without where tls:// is said", async () => {
    using folder = temporaryFolder();
    certificates(folder.path);
    const file = (name: string) => join(folder.path, name);
    const [caFile, certFile, keyFile] = [file("ca.pem"), file("cert"), file("key")];
    const lines = `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${caFile}", verify: true }`;
    await using node = await startNats(lines);
    const tls = { caFile, certFile, keyFile };
    expect(await said(linkTo(node.url, { more: { tls } }))).toBe(CONNECTED);
    const secure = node.url.replace("nats:", "tls:");
    expect(await said(linkTo(secure, { more: { tls } }))).toBe(CONNECTED);
    // Without a certificate of ours; without its authority.
    expect(await said(linkTo(secure, { more: { tls: { caFile } }, withinMs: 1000 }))).toMatch(/^E60[12] /);
    expect(await said(linkTo(secure))).toMatch(/^E602 NATS at \S+ refused us: TLS: .*certificate/);
    const noCa = await said(linkTo(secure, { more: { tls: { caFile: file("key") } } }));
    expect(noCa).toMatch(/^E212 ca_file of bus.nats, .*, holds no PEM certificate$/);
    await using plain = await startNats();
    expect(await said(linkTo(plain.url.replace("nats:", "tls:")))).toMatch(/^E602 .* it speaks no TLS$/);
  });

  it.each(["DNS:other.example.net", "DNS:localhost"])("a certificate for %s is refused of an address", async (san) => {
    using folder = temporaryFolder();
    certificates(folder.path, { san });
    const file = (name: string) => join(folder.path, name);
    await using node = await startNats(`tls { cert_file: "${file("cert")}", key_file: "${file("key")}" }`);
    const more = { tls: { caFile: file("ca.pem") } };
    expect(await said(linkTo(node.url, { more }))).toMatch(/^E602 .* TLS: .*(altnames|does not match)/);
  });

  it("goes on with new credentials when the server has changed its own, and says so until then", async () => {
    using folder = temporaryFolder();
    const users = join(folder.path, "users.conf");
    const password = join(folder.path, "password");
    const change = (own: string, servers: string) => {
      writeFileSync(password, own);
      writeFileSync(users, `authorization { user: u, password: ${servers} }\n`);
    };
    change("one", "one");
    await using node = await startNats(`include "${relativeTo(users)}"`);
    const log: string[] = [];
    const more = { user: "u", password: `$\{file:${password}}` };
    await using link = disposable(await linkTo(node.url, { more, log }));
    change("one", "two");
    await node.kill();
    await node.start();
    await eventually("it is refused", () => log.includes("error bus refuses its credentials connection code"));
    writeFileSync(password, "two");
    await eventually("the bus is back", () => link.isUp());
    expect(log).toEqual([
      "warn bus lost connection server",
      "error bus refuses its credentials connection code",
      "info bus is back connection server",
    ]);
  });
});

/** nats-server takes paths of included files as relative to its configuration, whatever they begin with. */
function relativeTo(path: string): string {
  return `..${path.slice(path.lastIndexOf("/", path.lastIndexOf("/") - 1))}`;
}

describe("isRetryable", () => {
  const api = (errCode: number, code: number) =>
    Object.assign(new NatsError("x", String(code)), { api_error: { code, err_code: errCode, description: "x" } });

  it.each([
    { name: "no responders", error: new NatsError("x", "503"), is: true },
    { name: "a time-out", error: new NatsError("x", "TIMEOUT"), is: true },
    { name: "a lost connection", error: new NatsError("x", "DISCONNECT"), is: true },
    { name: "temporarily unavailable", error: api(10_008, 503), is: true },
    { name: "a stream that is full, though it says 503", error: api(10_077, 503), is: false },
    { name: "a wrong last sequence", error: api(10_071, 400), is: false },
    { name: "too few servers for its copies", error: api(10_074, 500), is: false },
    { name: "a closed connection", error: new NatsError("x", "CONNECTION_CLOSED"), is: false },
    { name: "too large a message", error: new NatsError("x", "MAX_PAYLOAD_EXCEEDED"), is: false },
    { name: "a bug", error: new TypeError("x"), is: false },
  ])("$name: $is", ({ error, is }) => expect(isRetryable(error)).toBe(is));

  it("apiErrorCode is JetStream's own number, or none", () => {
    expect(apiErrorCode(api(10_071, 400))).toBe(10_071);
    expect(apiErrorCode(new NatsError("x", "503"))).toBeUndefined();
  });
});
