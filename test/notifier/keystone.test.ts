import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { parseHttpDate, rfc3339, systemClock } from "../../src/lib/clock.ts";
import type { KeystoneCredentials, KeystoneOptions } from "../../src/notifier/keystone.ts";
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

const tokens = (authUrl: string, options: Partial<KeystoneOptions> = {}) =>
  new KeystoneTokens({
    authUrl,
    credentials: () => PASSWORD,
    clock: systemClock,
    parseDate: parseHttpDate,
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
      name: "a password without a project",
      credentials: {
        kind: "password",
        user: { id: "u1" },
        password: "p",
        project: undefined,
      } satisfies KeystoneCredentials,
      auth: { identity: { methods: ["password"], password: { user: { id: "u1", password: "p" } } } },
    },
    {
      name: "an application credential by its id",
      credentials: {
        kind: "application_credential",
        credential: { id: "c1" },
        secret: "s",
      } satisfies KeystoneCredentials,
      auth: { identity: { methods: ["application_credential"], application_credential: { id: "c1", secret: "s" } } },
    },
    {
      name: "an application credential by its name",
      credentials: {
        kind: "application_credential",
        credential: { name: "c", user: { id: "u1" } },
        secret: "s",
      } satisfies KeystoneCredentials,
      auth: {
        identity: {
          methods: ["application_credential"],
          application_credential: { name: "c", user: { id: "u1" }, secret: "s" },
        },
      },
    },
  ])("$name", async ({ credentials, auth }) => {
    await using server = await keystone(issued(LATER));
    expect(await tokens(server.url, { credentials: () => credentials }).token()).toBe("token-1");
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

  it("credentials are read again for each fetch", async () => {
    await using server = await keystone(issued(LATER));
    let password = "old";
    const keeper = tokens(server.url, { credentials: () => ({ ...PASSWORD, password }) as KeystoneCredentials });
    keeper.forget(await keeper.token());
    password = "new";
    await keeper.token();
    expect(JSON.stringify(server.asked[0]?.body)).toContain('"password":"old"');
    expect(JSON.stringify(server.asked[1]?.body)).toContain('"password":"new"');
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

  it("all who ask meanwhile share a fetch, and its failure", async () => {
    let fails = true;
    await using server = await keystone((response, number) =>
      fails ? response.writeHead(500).end() : issued(LATER)(response, number),
    );
    const keeper = tokens(server.url);
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => keeper.token()));
    expect(results.map(({ status }) => status)).toEqual(Array(20).fill("rejected"));
    expect(server.asked).toHaveLength(1);
    fails = false;
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
  const shown = (url: string) => `Keystone at ${url}/…`;
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
    expect(failure).toBe(`Error: ${shown(server.url)}${message}`);
    expect(server.asked).toHaveLength(1);
  });

  it("silence, until its time is over", async () => {
    const clock = new FakeClock();
    await using server = await keystone(() => {});
    const failing = tokens(server.url, { clock }).token().catch(String);
    await eventually("the request", () => server.asked[0]);
    clock.advance(5000);
    expect(await failing).toBe(`Error: ${shown(server.url)}: no answer within 5000 ms`);
  });

  it("nobody there", async () => {
    const server = await keystone(issued(LATER));
    await server[Symbol.asyncDispose]();
    expect(await tokens(server.url).token().catch(String)).toBe(`Error: ${shown(server.url)}: no answer: ECONNREFUSED`);
  });

  it("credentials that cannot be read", async () => {
    await using server = await keystone(issued(LATER));
    const credentials = () => {
      throw new Error("cannot read /run/secrets/x");
    };
    await expect(tokens(server.url, { credentials }).token()).rejects.toThrow("cannot read /run/secrets/x");
    expect(server.asked).toHaveLength(0);
  });

  it("a URL that is none is not shown", async () => {
    expect(await tokens("planted").token().catch(String)).toBe("Error: notifier.keystone.auth_url is not a URL");
  });
});
