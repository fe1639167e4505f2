import { deflateSync } from "node:zlib";
import { headers as newHeaders } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NatsLink } from "../../../../src/backend/nats/link/link.ts";
import type { RequestHandler } from "../../../../src/backend/nats/views/requests.ts";
import { ask, BadRequest, serveRequests } from "../../../../src/backend/nats/views/requests.ts";
import { TocsinError } from "../../../../src/lib/errors.ts";
import { aLink } from "../../../helpers/natsLinks.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import { eventually } from "../../../helpers/sockets.ts";

const log: string[] = [];
let node: NatsNode;
let asker: NatsLink & AsyncDisposable;
let server: NatsLink & AsyncDisposable;
beforeAll(async () => {
  // Small messages, so that pieces are many.
  node = await startNats("max_payload: 65536");
  [asker, server] = await Promise.all([aLink(node), aLink(node, log)]);
});
afterAll(async () => {
  await Promise.all([asker.close(), server.close()]);
  await node[Symbol.asyncDispose]();
});

let number = 0;
/** A process of its own for each test: an id that needs escapes, for hosts have dots. */
async function serving(handler: RequestHandler): Promise<{ id: string; stop: () => Promise<void> } & AsyncDisposable> {
  const id = `host.example-${++number}`;
  const stop = serveRequests(server, id, handler);
  await server.nc.flush();
  return { id, stop, [Symbol.asyncDispose]: stop };
}

/** Code of the refusal, whether it is known that nothing was done, and the message. */
async function refusal(asked: Promise<unknown>): Promise<[code: string, isUndone: unknown, message: string]> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TocsinError)) throw new Error(`not refused: ${error}`);
  return [error.code, "isUndone" in error ? error.isUndone : undefined, error.message];
}

const gate = () => {
  let open = (_: unknown) => {};
  const opened = new Promise<unknown>((resolve) => {
    open = resolve;
  });
  return { open, opened };
};

describe("answers", () => {
  it.each([
    { name: "nothing", value: undefined },
    { name: "null", value: null },
    { name: "a number", value: 7 },
    { name: "a list", value: [{ a: "ä", b: null }, []] },
  ])("$name", async ({ value }) => {
    await using own = await serving(async () => value);
    expect(await ask(asker, own.id, "m", [], 5000)).toEqual(value);
  });

  it("a method and its arguments come as they were sent", async () => {
    await using own = await serving(async (method, args) => [method, args]);
    expect(await ask(asker, own.id, "explain", ["id", null, { at: 1.5 }], 5000)).toEqual([
      "explain",
      ["id", null, { at: 1.5 }],
    ]);
  });

  it("of megabytes, also where they cannot be deflated", async () => {
    const rows = Array.from({ length: 21_000 }, (_, index) => ({
      index,
      text: "x".repeat(200),
      name: `cluster ${index}`,
    }));
    const noise = Array.from(
      { length: 40_000 },
      () => `${Math.random()}${Math.random()}${Math.random()}${Math.random()}`,
    );
    await using own = await serving(async (what) => (what === "rows" ? rows : noise));
    const [told, loud] = await Promise.all([
      ask(asker, own.id, "rows", [], 20_000),
      ask(asker, own.id, "noise", [], 20_000),
    ]);
    expect(JSON.stringify(rows).length).toBeGreaterThan(5e6);
    // Far more than one message may hold.
    expect(JSON.stringify(noise).length).toBeGreaterThan(2.5e6);
    expect(told).toEqual(rows);
    expect(loud).toEqual(noise);
  });

  it("many at once, each its own; above 64 at a time the others are busy, and told so at once", async () => {
    const { open, opened } = gate();
    let begun = 0;
    await using own = await serving(async (_, [one]) => {
      begun++;
      await opened;
      return one;
    });
    const asked = Array.from({ length: 100 }, (_, index) => ask(asker, own.id, "m", [index], 15_000));
    const refused = await Promise.all(asked.slice(64).map(refusal));
    expect(new Set(refused.map(([code, isUndone]) => `${code} ${isUndone}`))).toEqual(new Set(["E664 true"]));
    expect(begun).toBe(64);
    open(undefined);
    expect(await Promise.all(asked.slice(0, 64))).toEqual(Array.from({ length: 64 }, (_, index) => index));
    expect(await ask(asker, own.id, "m", ["later"], 5000)).toBe("later");
    expect(log.filter((line) => line.includes("reason=busy"))).toHaveLength(1);
  });
});

describe("refusals", () => {
  it("an operator's error comes as it is; of a bug nothing is told but that it is one", async () => {
    await using own = await serving(async (what) => {
      if (what === "no") throw new TocsinError("E404", "nothing can be recorded");
      throw new Error("secret=hunter2");
    });
    expect(await refusal(ask(asker, own.id, "no", [], 5000))).toEqual(["E404", undefined, "nothing can be recorded"]);
    const [code, isUndone, message] = await refusal(ask(asker, own.id, "bug", [], 5000));
    expect([code, isUndone]).toEqual(["E665", false]);
    expect(message).not.toContain("hunter2");
    expect(log.filter((line) => line.includes("request failed"))).toEqual([
      "warn request failed method=bug reason=secret=hunter2",
    ]);
  });

  it("who is not there is known at once, and so is who stops", async () => {
    expect(await refusal(ask(asker, "nobody", "m", [], 60_000))).toEqual([
      "E660",
      true,
      "there is no process nobody any more",
    ]);
    const own = await serving(async () => 1);
    expect(await ask(asker, own.id, "m", [], 5000)).toBe(1);
    await own.stop();
    await server.nc.flush();
    expect(await refusal(ask(asker, own.id, "m", [], 60_000))).toEqual(["E660", true, expect.any(String)]);
  });

  it("what is under way at the end is answered", async () => {
    const { open, opened } = gate();
    let isBegun = false;
    const own = await serving(() => {
      isBegun = true;
      return opened;
    });
    const asked = ask(asker, own.id, "m", [], 10_000);
    await eventually("it is under way", () => isBegun || undefined);
    const stopped = own.stop();
    open("done");
    expect(await asked).toBe("done");
    await stopped;
  });

  it("who hangs does not answer, and loses the place when nobody waits any more", async () => {
    await using own = await serving(() => new Promise(() => {}));
    const asked = Array.from({ length: 64 }, () => refusal(ask(asker, own.id, "m", [], 300)));
    for (const [code, isUndone] of await Promise.all(asked)) expect([code, isUndone]).toEqual(["E660", false]);
    const codeNow = async () => (await refusal(ask(asker, own.id, "m", [], 300)))[0];
    await eventually("the places are free again", async () => (await codeNow()) === "E660" || undefined);
  });

  it("those that hang are not heaped up: above 256 that have not ended, others are busy", async () => {
    const { open, opened } = gate();
    let begun = 0;
    await using own = await serving(async () => {
      begun++;
      return opened;
    });
    const few = async () => {
      const asked = Array.from({ length: 64 }, () => refusal(ask(asker, own.id, "m", [], 100)));
      return (await Promise.all(asked)).map(([code]) => code);
    };
    await eventually("they are busy", async () => {
      const codes = await few();
      return codes.every((code) => code === "E664") || begun > 256 || undefined;
    });
    expect(begun).toBe(256);
    open("done");
    expect(await eventually("they answer", () => ask(asker, own.id, "m", [], 5000).catch(() => undefined))).toBe(
      "done",
    );
  });

  it("who is gone while it works is waited for no longer", async () => {
    const { open, opened } = gate();
    await using own = await serving(() => opened);
    const asked = refusal(ask(asker, own.id, "m", [], 600_000, () => true));
    void asked.finally(() => open(undefined));
    expect(await asked).toEqual(["E660", false, expect.any(String)]);
  });

  it("no such method, other arguments, an answer that is no JSON", async () => {
    await using own = await serving(async (what) => {
      if (what === "odd") return 1n;
      throw new BadRequest(what === "none" ? "method" : "request");
    });
    expect(await refusal(ask(asker, own.id, "none", [], 5000))).toEqual(["E665", true, expect.any(String)]);
    expect(await refusal(ask(asker, own.id, "some", [], 5000))).toEqual(["E665", true, expect.any(String)]);
    expect(await refusal(ask(asker, own.id, "odd", [], 5000))).toEqual(["E665", false, expect.any(String)]);
  });

  it("a request that is too large is not even sent", async () => {
    await using own = await serving(async () => 1);
    await expect(ask(asker, own.id, "m", ["x".repeat(70_000)], 5000)).rejects.toThrow("too large");
  });
});

describe("hostile messages", () => {
  const subjectOf = (id: string) => `tocsin.request.${id.replaceAll(".", "=2e")}`;

  it.each([
    { name: "no JSON", said: "{", refused: "request" },
    { name: "nothing", said: "", refused: "request" },
    { name: "a list", said: "[]", refused: "request" },
    { name: "no version", said: '{"method":"m","args":[],"timeoutMs":1000}', refused: "request" },
    { name: "another version", said: '{"v":2,"method":"m","args":[],"timeoutMs":1000}', refused: "version" },
    { name: "no method", said: '{"v":1,"args":[],"timeoutMs":1000}', refused: "request" },
    { name: "arguments that are no list", said: '{"v":1,"method":"m","args":{},"timeoutMs":1000}', refused: "request" },
    {
      name: "many arguments",
      said: `{"v":1,"method":"m","args":[${"1,".repeat(8)}1],"timeoutMs":1000}`,
      refused: "request",
    },
    { name: "no time", said: '{"v":1,"method":"m","args":[]}', refused: "request" },
    { name: "all time", said: '{"v":1,"method":"m","args":[],"timeoutMs":1e300}', refused: "request" },
    { name: "65,000 brackets", said: "[".repeat(65_000), refused: "request" },
  ])("$name is refused, and its sender is answered", async ({ said, refused }) => {
    let isCalled = false;
    await using own = await serving(async () => {
      isCalled = true;
    });
    const reply = await asker.nc.request(subjectOf(own.id), said, { timeout: 5000 });
    expect(reply.json()).toEqual({ v: 1, refused });
    expect(isCalled).toBe(false);
    // Those without a reply are taken, too, and nothing comes of them.
    asker.nc.publish(subjectOf(own.id), said);
    await asker.nc.flush();
  });

  it("are logged once for each kind", () => {
    const lines = log.filter((line) => line.includes("request refused"));
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.filter((line) => line.includes("reason=version"))).toHaveLength(1);
  });

  it.each([
    { name: "no JSON", headers: {}, said: "{" },
    { name: "another version", headers: {}, said: '{"v":2,"value":1}' },
    { name: "no answer", headers: {}, said: "[1]" },
    { name: "an unknown refusal", headers: {}, said: '{"v":1,"refused":"toString"}' },
    {
      name: "an error without a code of ours",
      headers: {},
      said: '{"v":1,"error":{"code":"__proto__","message":"x"}}',
    },
    { name: "an error without words", headers: {}, said: '{"v":1,"error":{"code":"E404"}}' },
    { name: "the second piece first", headers: { "Tocsin-Piece": "1/2" }, said: "x" },
    { name: "a piece of none", headers: { "Tocsin-Piece": "0/0" }, said: "x" },
    { name: "a piece of very many", headers: { "Tocsin-Piece": "0/999999" }, said: "x" },
    { name: "a piece that is none", headers: { "Tocsin-Piece": "zero" }, said: "x" },
    { name: "what only begins like deflated bytes", headers: {}, said: "\u0078\u009c..." },
  ])("an answer that is $name is not believed", async ({ headers, said }) => {
    const id = `liar-${++number}`;
    const subscription = server.nc.subscribe(subjectOf(id), {
      callback: (_, message) => {
        const own = newHeaders();
        for (const [name, value] of Object.entries(headers)) own.set(name, value);
        message.respond(said, { headers: own });
      },
    });
    await server.nc.flush();
    expect(await refusal(ask(asker, id, "m", [], 5000))).toEqual(["E665", false, expect.any(String)]);
    subscription.unsubscribe();
  });

  it("a bomb of deflated bytes is not let grow", async () => {
    const bomb = deflateSync(Buffer.alloc(129 * 1024 * 1024), { level: 1 });
    const id = `bomb-${++number}`;
    const subscription = server.nc.subscribe(subjectOf(id), {
      callback: (_, message) => {
        const count = Math.ceil(bomb.length / 60_000);
        for (let index = 0; index < count; index++) {
          const own = newHeaders();
          own.set("Tocsin-Piece", `${index}/${count}`);
          message.respond(bomb.subarray(index * 60_000, (index + 1) * 60_000), { headers: own });
        }
      },
    });
    await server.nc.flush();
    expect(await refusal(ask(asker, id, "m", [], 10_000))).toEqual(["E665", false, expect.any(String)]);
    subscription.unsubscribe();
  });
});

describe("a process or a bus that goes", () => {
  it("in the middle of an answer: the time ends it", async () => {
    const id = `half-${++number}`;
    const subscription = server.nc.subscribe(`tocsin.request.${id}`, {
      callback: (_, message) => {
        const own = newHeaders();
        own.set("Tocsin-Piece", "0/2");
        message.respond("{", { headers: own });
      },
    });
    await server.nc.flush();
    expect(await refusal(ask(asker, id, "m", [], 300))).toEqual(["E660", false, expect.any(String)]);
    subscription.unsubscribe();
  });

  it("without a bus nothing is sent; when it is back, requests are answered again", async () => {
    await using lone = await startNats();
    await using from = await aLink(lone);
    await using to = await aLink(lone);
    let calls = 0;
    const stop = serveRequests(to, "e1", async () => ++calls);
    await to.nc.flush();
    expect(await ask(from, "e1", "m", [], 5000)).toBe(1);
    await lone.kill();
    await eventually("the loss is seen", () => !from.isUp() || undefined);
    expect(await refusal(ask(from, "e1", "m", [], 60_000))).toEqual(["E660", true, "the bus is not connected"]);
    await lone.start();
    const again = await eventually(
      "they are answered again",
      () => ask(from, "e1", "m", [], 2000).catch(() => undefined) as Promise<number | undefined>,
    );
    // What was asked meanwhile has not come late.
    expect(again).toBe(2);
    await stop();
  });

  it("a bus that goes while an answer is waited for", async () => {
    await using lone = await startNats();
    await using from = await aLink(lone);
    await using to = await aLink(lone);
    let isBegun = false;
    const { open, opened } = gate();
    const stop = serveRequests(to, "e1", () => {
      isBegun = true;
      return opened;
    });
    await to.nc.flush();
    const asked = refusal(ask(from, "e1", "m", [], 600_000));
    await eventually("it is under way", () => isBegun || undefined);
    await lone.kill();
    expect(await asked).toEqual(["E660", false, expect.any(String)]);
    open(undefined);
    await stop();
    // Nothing to drain: there is no server.
    await Promise.all([from.nc.close(), to.nc.close()]);
  });
});
