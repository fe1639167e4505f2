import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { rfc3339, systemClock } from "../../src/lib/clock.ts";
import type { KeystoneAccess, KeystoneCredentials, KeystoneOptions } from "../../src/notifier/keystone.ts";
import { KeystoneTokens } from "../../src/notifier/keystone.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { eventually } from "../helpers/sockets.ts";

interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly body: unknown;
}

type Answer = (response: ServerResponse, number: number) => void;

const issued =
  (expiresAt: string, status = 201): Answer =>
  (response, number) => {
    response.writeHead(status, { "x-subject-token": `token-${number}`, "content-type": "application/json" });
    response.end(JSON.stringify({ token: { methods: ["password"], expires_at: expiresAt } }));
  };

/** Does with each request what it is told, as Keystone does. */
async function keystone(answer: Answer) {
  const asked: Asked[] = [];
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    asked.push({ method: request.method, url: request.url, body: JSON.parse(Buffer.concat(chunks).toString()) });
    answer(response, asked.length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    asked,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const PASSWORD: KeystoneCredentials = {
  kind: "password",
  user: { name: "tocsin", domain: { name: "Default" } },
  password: "planted-password",
  project: { name: "service", domain: { id: "default" } },
};

const SHOWN = "http://$" + "{env:KEYSTONE}/…";

const tokens = (authUrl: string, options: Partial<KeystoneOptions> = {}, access: Partial<KeystoneAccess> = {}) =>
  new KeystoneTokens({
    access: () => ({ authUrl, credentials: PASSWORD, ...access }),
    shown: SHOWN,
    clock: systemClock,
    timeoutMs: 5000,
    ...options,
  });

const LATER = "2100-01-01T00:00:00.000000Z";

describe("what is asked", () => {
  it.each([
    {
      name: "a password, names",
      credentials: PASSWORD,
      auth: {
        identity: {
          methods: ["password"],
          password: { user: { name: "tocsin", domain: { name: "Default" }, password: "planted-password" } },
        },
        scope: { project: { name: "service", domain: { id: "default" } } },
      },
    },
    {
      name: "a password, ids",
      credentials: {
        kind: "password",
        user: { id: "u1" },
        password: "p",
        project: { id: "p1" },
      } satisfies KeystoneCredentials,
      auth: {
        identity: { methods: ["password"], password: { user: { id: "u1", password: "p" } } },
        scope: { project: { id: "p1" } },
      },
    },
    {
      name: "an application credential",
      credentials: {
        kind: "application_credential",
        credential: { id: "c1" },
        secret: "s",
      } satisfies KeystoneCredentials,
      auth: { identity: { methods: ["application_credential"], application_credential: { id: "c1", secret: "s" } } },
    },
  ])("$name", async ({ credentials, auth }) => {
    await using server = await keystone(issued(LATER));
    expect(await tokens(server.url, {}, { credentials }).token()).toBe("token-1");
    expect(server.asked).toEqual([{ method: "POST", url: "/v3/auth/tokens?nocatalog", body: { auth } }]);
  });

  it.each([
    ["", "/v3/auth/tokens?nocatalog"],
    ["/", "/v3/auth/tokens?nocatalog"],
    ["/v3", "/v3/auth/tokens?nocatalog"],
    ["/v3/", "/v3/auth/tokens?nocatalog"],
    ["/identity", "/identity/v3/auth/tokens?nocatalog"],
    ["/identity/v3/", "/identity/v3/auth/tokens?nocatalog"],
  ])("an auth_url that ends in '%s'", async (end, path) => {
    await using server = await keystone(issued(LATER));
    await tokens(`${server.url}${end}`).token();
    expect(server.asked[0]?.url).toBe(path);
  });

  it("where it is and who asks is read again for each fetch", async () => {
    await using first = await keystone(issued(LATER));
    await using second = await keystone(issued(LATER));
    const password = (own: string) => ({ ...PASSWORD, password: own }) as KeystoneCredentials;
    let access: KeystoneAccess = { authUrl: first.url, credentials: password("old") };
    const keeper = tokens("", { access: () => access });
    keeper.forget(await keeper.token());
    access = { authUrl: second.url, credentials: password("new") };
    await keeper.token();
    expect(JSON.stringify(first.asked.map(({ body }) => body))).toContain('"password":"old"');
    expect(JSON.stringify(second.asked.map(({ body }) => body))).toContain('"password":"new"');
  });
});

describe("what is kept", () => {
  it("one token until a minute before it expires, by the wall clock", async () => {
    const clock = new FakeClock();
    await using server = await keystone((response, number) =>
      issued(rfc3339(clock.now() + 3_600_000))(response, number),
    );
    const keeper = tokens(server.url, { clock });
    expect(await keeper.token()).toBe("token-1");
    clock.advance(3_600_000 - 60_001);
    expect(await keeper.token()).toBe("token-1");
    clock.advance(1);
    expect(await keeper.token()).toBe("token-2");
    clock.stepWall(3_600_000);
    expect(await keeper.token()).toBe("token-3");
    expect(server.asked).toHaveLength(3);
  });

  it("a token that comes expired is given once", async () => {
    await using server = await keystone(issued("2001-01-01T00:00:00.000000Z"));
    const keeper = tokens(server.url);
    expect([await keeper.token(), await keeper.token()]).toEqual(["token-1", "token-2"]);
  });

  it("all who ask meanwhile share a fetch, and its failure for five seconds", async () => {
    const clock = new FakeClock();
    let fails = true;
    await using server = await keystone((response, number) =>
      fails ? response.writeHead(500).end() : issued(LATER)(response, number),
    );
    const keeper = tokens(server.url, { clock });
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => keeper.token()));
    expect(results.map(({ status }) => status)).toEqual(Array(20).fill("rejected"));
    expect(server.asked).toHaveLength(1);
    fails = false;
    clock.advance(4_999);
    // A wall clock that steps neither shortens nor lengthens it.
    clock.stepWall(3_600_000);
    expect(await keeper.token().catch(String)).toBe(`Error: Keystone at ${SHOWN} answered 500`);
    expect(server.asked).toHaveLength(1);
    clock.advance(1);
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => keeper.token())))).toEqual(new Set(["token-2"]));
    expect(server.asked).toHaveLength(2);
  });

  it("what a receiver refused is forgotten, once", async () => {
    await using server = await keystone(issued(LATER));
    const keeper = tokens(server.url);
    keeper.forget(await keeper.token());
    expect(await keeper.token()).toBe("token-2");
    keeper.forget("token-1");
    expect(await keeper.token()).toBe("token-2");
  });
});

describe("errors name host and cause, and no secret", () => {
  const shown = `Keystone at ${SHOWN}`;
  it.each<{ name: string; answer: Answer; message: string }>([
    {
      name: "401",
      answer: (response) => response.writeHead(401).end('{"error": "planted-password"}'),
      message: " answered 401: check the credentials of notifier.keystone",
    },
    { name: "500", answer: (response) => response.writeHead(500).end(), message: " answered 500" },
    { name: "503", answer: (response) => response.writeHead(503).end(), message: " answered 503" },
    {
      name: "a redirect",
      answer: (response) => response.writeHead(302, { location: "/elsewhere" }).end(),
      message: " answered 302",
    },
    { name: "300 of a wrong path", answer: (response) => response.writeHead(300).end("{}"), message: " answered 300" },
    {
      name: "no token",
      answer: (response) => response.writeHead(201).end("{}"),
      message: " answered 201 without a token",
    },
    {
      name: "no expiry",
      answer: (response) => response.writeHead(201, { "x-subject-token": "t" }).end("not JSON"),
      message: " answered 201 without token.expires_at",
    },
    {
      name: "JSON that is none of its",
      answer: (response) => response.writeHead(201, { "x-subject-token": "t" }).end("null"),
      message: " answered 201 without token.expires_at",
    },
    {
      name: "an expiry that is no date",
      answer: issued("tomorrow"),
      message: " answered 201 without token.expires_at",
    },
    {
      name: "an endless answer",
      answer: (response) => {
        response.writeHead(201, { "x-subject-token": "t" });
        response.end("x".repeat(70_000));
      },
      message: ": an answer of more than 64 kB",
    },
    {
      name: "a connection that breaks",
      answer: (response) => response.socket?.destroy(),
      message: ": no answer: UND_ERR_SOCKET",
    },
  ])("$name", async ({ answer, message }) => {
    await using server = await keystone(answer);
    const failure = await tokens(`${server.url}/planted-path`).token().catch(String);
    expect(failure).toBe(`Error: ${shown}${message}`);
    expect(server.asked).toHaveLength(1);
  });

  it("silence, until its time is over", async () => {
    const clock = new FakeClock();
    await using server = await keystone(() => {});
    const failing = tokens(server.url, { clock }).token().catch(String);
    await eventually("the request", () => server.asked[0]);
    clock.advance(5000);
    expect(await failing).toBe(`Error: ${shown}: no answer within 5000 ms`);
  });

  it("nobody there", async () => {
    const server = await keystone(issued(LATER));
    await server[Symbol.asyncDispose]();
    expect(await tokens(server.url).token().catch(String)).toBe(`Error: ${shown}: no answer: ECONNREFUSED`);
  });

  it("what cannot be read", async () => {
    const access = () => {
      throw new Error("cannot read /run/secrets/x");
    };
    expect(await tokens("", { access }).token().catch(String)).toBe(`Error: ${shown}: cannot read /run/secrets/x`);
  });

  it.each(["planted", "ftp://planted/"])("a URL that is none is not shown: %s", async (url) => {
    const message = `Error: ${shown}: notifier.keystone.auth_url is no http(s)://host[:port]/path`;
    expect(await tokens(url).token().catch(String)).toBe(message);
  });
});
