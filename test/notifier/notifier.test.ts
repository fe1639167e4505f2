import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { createAddressPolicy } from "../../src/lib/addressPolicy.ts";
import { parseHttpDate, systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { Notification, Outcome } from "../../src/model/decision.ts";
import { meaningOfError, meaningOfStatus, retryAfterS } from "../../src/notifier/answer.ts";
import type { NotifierOptions } from "../../src/notifier/notifier.ts";
import { Notifier } from "../../src/notifier/notifier.ts";
import type { Dispatch, ReceiverTarget } from "../../src/ports.ts";
import { aTarget } from "../helpers/posts.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";
import { eventually } from "../helpers/sockets.ts";

const notification: Notification = {
  alarmName: "scale_out_alarm é",
  alarmId: "21ba09aa-8aa0-5e15-9296-664b0087de34",
  severity: "low",
  previous: "insufficient data",
  current: "alarm",
  reason: "Transition to alarm due to 1 samples outside threshold, most recent: 29500.0",
  reasonData: { type: "threshold", disposition: "outside", count: 1, mostRecent: 29500 },
};

function setUp(
  target: (receiver: string) => ReceiverTarget | undefined,
  held: () => string | undefined = () => undefined,
  limits: Partial<Pick<NotifierOptions, "concurrency" | "perOrigin" | "tokens" | "policy" | "resolve">> = {},
  log = silentLogger,
) {
  const outcomes: Outcome[] = [];
  const notifier = new Notifier({
    clock: systemClock,
    parseDate: parseHttpDate,
    log,
    receivers: { resolve: (_clusterId, receiver) => target(receiver) },
    policy: createAddressPolicy({ allow: [], deny: [] }),
    version: "1.2.3",
    connectTimeoutMs: 500,
    concurrency: 1024,
    perOrigin: 32,
    ...limits,
  });
  notifier.connect({ heldBecause: held, outcome: (_clusterId, outcome) => outcomes.push(outcome) });
  return { notifier, outcomes };
}

const dispatch = (fields: Partial<Dispatch> = {}): Dispatch => ({
  clusterId: "web",
  deliveryId: "msg_e6ffba58-fc74-53b5-9182-d85398bf5530",
  attempt: 1,
  receiver: "r",
  control: true,
  direction: "out",
  transition: 1,
  repeat: 0,
  at: 1_700_000_000_000,
  notification,
  ...fields,
});

async function send(
  url: string,
  fields: Partial<Dispatch> = {},
  timeoutMs = 2000,
  held?: () => string | undefined,
): Promise<Outcome> {
  const { notifier, outcomes } = setUp(() => aTarget(url, { timeoutMs }), held);
  notifier.dispatch(dispatch(fields));
  return eventually("an outcome", () => outcomes[0]);
}

describe("the request, byte for byte", () => {
  it("is what unmodified Aodh receivers accept", async () => {
    await using receiver = await rawReceiver(answerOf(202, '{"action": "x"}'));
    const path = "/v1/webhooks/19f36f5a/trigger?V=2&b=%3A+%2B&a=1";
    const outcome = await send(`http://127.0.0.1:${receiver.port}${path}`);
    expect(outcome).toMatchObject({
      outcome: "accepted",
      status: 202,
      attempt: 1,
      detail: { answer: '{"action": "x"}' },
    });
    const [got] = receiver.received;
    expect(got?.head).toBe(`POST ${path} HTTP/1.1`);
    expect(got?.headers).toEqual({
      host: `127.0.0.1:${receiver.port}`,
      "content-type": "application/json",
      "content-length": String(got?.body.length),
      accept: "application/json, */*",
      "user-agent": "tocsin/1.2.3",
      connection: "close",
      "x-openstack-request-id": "req-e6ffba58-fc74-53b5-9182-d85398bf5530",
      "webhook-id": "msg_e6ffba58-fc74-53b5-9182-d85398bf5530",
      "webhook-timestamp": expect.stringMatching(/^\d{10}$/),
    });
    expect(got?.body).toBe(
      '{"alarm_name": "scale_out_alarm \\u00e9", "alarm_id": "21ba09aa-8aa0-5e15-9296-664b0087de34", "severity": "low", ' +
        '"previous": "insufficient data", "current": "alarm", ' +
        '"reason": "Transition to alarm due to 1 samples outside threshold, most recent: 29500.0", ' +
        '"reason_data": {"type": "threshold", "disposition": "outside", "count": 1, "most_recent": 29500.0}}',
    );
  });

  it("the receiver's own headers go along", async () => {
    await using receiver = await rawReceiver(answerOf(200));
    const url = `http://127.0.0.1:${receiver.port}/`;
    const { notifier, outcomes } = setUp(() => aTarget(url, { headers: { authorization: "Bearer x" } }));
    notifier.dispatch(dispatch());
    await eventually("an outcome", () => outcomes[0]);
    expect(receiver.received[0]?.headers.authorization).toBe("Bearer x");
  });
});

describe("D1: what each answer means", () => {
  it.each([
    [200, "accepted", "accepted"],
    [202, "accepted", "accepted"],
    [204, "accepted", "accepted"],
    [301, "rejected", "rejected"],
    [400, "rejected", "rejected"],
    [401, "rejected", "rejected"],
    [403, "not_run", "rejected"],
    [404, "rejected", "rejected"],
    [408, "uncertain", "uncertain"],
    [409, "busy", "rejected"],
    [410, "rejected", "rejected"],
    [429, "not_run", "not_run"],
    [500, "uncertain", "uncertain"],
    [502, "uncertain", "uncertain"],
    [503, "not_run", "not_run"],
    [504, "uncertain", "uncertain"],
  ])("%i: control %s, notice %s", (status, control, notice) => {
    expect(meaningOfStatus(status, true).outcome).toBe(control);
    expect(meaningOfStatus(status, false).outcome).toBe(notice);
  });

  it.each([
    { code: "ECONNREFUSED", connected: false, outcome: "not_run" },
    { code: "ENOTFOUND", connected: false, outcome: "not_run" },
    { code: "UND_ERR_CONNECT_TIMEOUT", connected: false, outcome: "not_run" },
    { code: "ECONNRESET", connected: true, outcome: "uncertain" },
    { code: "EHOSTUNREACH", connected: true, outcome: "uncertain" },
    { code: "DEPTH_ZERO_SELF_SIGNED_CERT", connected: false, outcome: "rejected" },
  ])("$code, connected: $connected: $outcome", ({ code, connected, outcome }) => {
    expect(meaningOfError(Object.assign(new Error("x"), { code }), connected).outcome).toBe(outcome);
  });

  it.each([
    ["120", 120],
    ["Thu, 01 Jan 1970 00:02:00 GMT", 60],
    ["Thu, 01 Jan 1970 00:00:01 GMT", 0],
    ["soon", undefined],
    [undefined, undefined],
  ])("Retry-After %s", (header, seconds) => expect(retryAfterS(header, parseHttpDate, 60_000)).toBe(seconds));
});

describe("receivers that misbehave", () => {
  it("redirects are not followed", async () => {
    await using other = await rawReceiver(answerOf(200));
    await using receiver = await rawReceiver(answerOf(307, "", { location: `http://127.0.0.1:${other.port}/` }));
    expect(await send(`http://127.0.0.1:${receiver.port}/`)).toMatchObject({ outcome: "rejected", status: 307 });
    expect(other.received).toEqual([]);
  });

  it("nobody there: not run", async () => {
    const gone = await rawReceiver("");
    await gone[Symbol.asyncDispose]();
    expect(await send(`http://127.0.0.1:${gone.port}/`)).toMatchObject({
      outcome: "not_run",
      reason: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("a reset after the request: uncertain", async () => {
    await using receiver = await rawReceiver((socket) => socket.resetAndDestroy());
    expect(await send(`http://127.0.0.1:${receiver.port}/`)).toMatchObject({ outcome: "uncertain" });
    expect(receiver.received).toHaveLength(1);
  });

  it("no answer in time: uncertain", async () => {
    await using receiver = await rawReceiver(() => {});
    expect(await send(`http://127.0.0.1:${receiver.port}/`, {}, 200)).toMatchObject({
      outcome: "uncertain",
      reason: "no answer within 200 ms",
    });
  });

  it.each([
    { name: "a body that never comes", answer: "HTTP/1.1 202 X\r\ncontent-length: 10\r\n\r\nab" },
    {
      name: "a body that breaks off",
      answer: "HTTP/1.1 202 X\r\ncontent-length: 10\r\nconnection: close\r\n\r\nab",
      closes: true,
    },
  ])("$name after 2xx: accepted all the same", async ({ answer, closes }) => {
    await using receiver = await rawReceiver((socket) => {
      socket.write(answer);
      if (closes) socket.destroySoon();
    });
    expect(await send(`http://127.0.0.1:${receiver.port}/`, {}, 300)).toMatchObject({
      outcome: "accepted",
      detail: { answer: "ab" },
    });
  });

  it("an endless answer is read so far and no further", async () => {
    await using receiver = await rawReceiver((socket) => {
      socket.write("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n");
      const chunk = `1000\r\n${"x".repeat(4096)}\r\n`;
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on("drain", pour);
      pour();
    });
    const outcome = await send(`http://127.0.0.1:${receiver.port}/`);
    expect(outcome.outcome).toBe("accepted");
    expect(outcome.detail?.answer).toHaveLength(2048);
  });

  it("a 409 says busy, a 503 when to come back", async () => {
    await using busy = await rawReceiver(answerOf(409, '{"error": {"type": "ResourceIsLocked"}}'));
    expect(await send(`http://127.0.0.1:${busy.port}/`)).toMatchObject({
      outcome: "busy",
      detail: { answer: expect.stringContaining("ResourceIsLocked") },
    });
    await using down = await rawReceiver(answerOf(503, "", { "retry-after": "7" }));
    expect(await send(`http://127.0.0.1:${down.port}/`)).toMatchObject({ outcome: "not_run", retryAfterS: 7 });
  });

  it("an error page that repeats what it was asked is kept without the secrets in it", async () => {
    await using receiver = await rawReceiver((socket, { head }) =>
      socket.end(answerOf(404, `<p>${head.split(" ")[1]} not found</p>`)),
    );
    const outcome = await send(`http://127.0.0.1:${receiver.port}/v1/webhooks/19f36f5a/trigger?V=2`);
    expect(outcome.detail?.answer).toBe("<p>*** not found</p>");
  });

  it("a URL that no client can use: rejected, and nothing else happens", async () => {
    expect(await send("http://host\\hooks/x")).toMatchObject({ outcome: "rejected" });
  });

  it("a receiver that no file names any more: rejected", async () => {
    const { notifier, outcomes } = setUp(() => undefined);
    notifier.dispatch(dispatch());
    expect(await eventually("an outcome", () => outcomes[0])).toMatchObject({ outcome: "rejected" });
  });
});

describe("A5: gates are read again immediately before the first byte", () => {
  it("a gate that closes while the connection is made: cancelled, nothing written", async () => {
    let held: string | undefined;
    await using receiver = await rawReceiver(answerOf(200), () => {});
    const reads: number[] = [];
    const gate = () => {
      reads.push(reads.length);
      // Open when the attempt begins, closed when the connection stands.
      held = reads.length > 1 ? "the alarm has left the state" : undefined;
      return held;
    };
    expect(await send(`http://127.0.0.1:${receiver.port}/`, {}, 2000, gate)).toMatchObject({
      outcome: "cancelled",
      reason: "the alarm has left the state",
    });
    expect(receiver.connections()).toBe(1);
    expect(receiver.received).toEqual([]);
  });

  it("D2: a cancel before a byte is written", async () => {
    await using receiver = await rawReceiver(answerOf(200));
    const { notifier, outcomes } = setUp(() => aTarget(`http://127.0.0.1:${receiver.port}/`));
    notifier.dispatch(dispatch());
    notifier.cancel(dispatch().deliveryId);
    expect(await eventually("an outcome", () => outcomes[0])).toMatchObject({ outcome: "cancelled" });
    expect(receiver.received).toEqual([]);
  });
});

describe("how many at once", () => {
  it("one slow origin takes no more than its share and delays nobody else", async () => {
    await using slow = await rawReceiver(() => {});
    await using quick = await rawReceiver(answerOf(200));
    const { notifier, outcomes } = setUp(
      (receiver) => aTarget(`http://127.0.0.1:${receiver === "slow" ? slow.port : quick.port}/`, { timeoutMs: 60_000 }),
      undefined,
      { concurrency: 8, perOrigin: 4 },
    );
    for (let n = 0; n < 20; n++) notifier.dispatch(dispatch({ deliveryId: `slow-${n}`, receiver: "slow" }));
    notifier.dispatch(dispatch({ deliveryId: "quick", receiver: "quick" }));
    await eventually("the quick one", () => outcomes.find(({ deliveryId }) => deliveryId === "quick"));
    expect(slow.connections()).toBeLessThanOrEqual(4);
    await notifier.stop(0);
  });
});

describe("stopping", () => {
  it("waits for what is under way, cuts off what takes too long, and reports all of it", async () => {
    await using hanging = await rawReceiver(() => {});
    const { notifier, outcomes } = setUp(
      () => aTarget(`http://127.0.0.1:${hanging.port}/`, { timeoutMs: 60_000 }),
      undefined,
      { perOrigin: 1 },
    );
    notifier.dispatch(dispatch({ deliveryId: "under way" }));
    notifier.dispatch(dispatch({ deliveryId: "waiting" }));
    await eventually("a request", () => hanging.received[0]);
    await notifier.stop(100);
    expect(outcomes.map(({ deliveryId, outcome }) => [deliveryId, outcome])).toEqual([
      ["waiting", "cancelled"],
      ["under way", "uncertain"],
    ]);
  });
});

describe("receivers that keep failing are left alone", () => {
  it("after five failures a receiver is not called, and told so with the time that is left", async () => {
    await using broken = await rawReceiver(answerOf(500));
    const { notifier, outcomes } = setUp(() => aTarget(`http://127.0.0.1:${broken.port}/`));
    for (let attempt = 1; attempt <= 6; attempt++) {
      notifier.dispatch(dispatch({ attempt }));
      await eventually("an outcome", () => outcomes[attempt - 1]);
    }
    expect(broken.received).toHaveLength(5);
    expect(outcomes.at(-1)).toMatchObject({
      outcome: "not_run",
      retryAfterS: 30,
      reason: "receiver r keeps failing and is left alone: the receiver answered 500",
    });
    expect([notifier.breakerOf("web", "r"), notifier.breakerOf("web", "other")]).toEqual(["open", "closed"]);
    // Others at the same origin are none the worse for it.
    notifier.dispatch(dispatch({ deliveryId: "other", receiver: "other" }));
    expect(await eventually("it", () => outcomes[6])).toMatchObject({ outcome: "uncertain", status: 500 });
  });

  it("an origin that cannot be connected to is left alone by all of its receivers", async () => {
    const gone = await rawReceiver("");
    await gone[Symbol.asyncDispose]();
    const { notifier, outcomes } = setUp((receiver) => aTarget(`http://127.0.0.1:${gone.port}/${receiver}`));
    for (let n = 0; n < 5; n++) {
      notifier.dispatch(dispatch({ deliveryId: `${n}`, receiver: `r${n}` }));
      await eventually("an outcome", () => outcomes[n]);
    }
    notifier.dispatch(dispatch({ deliveryId: "next", receiver: "r9" }));
    expect(await eventually("an outcome", () => outcomes[5])).toMatchObject({
      outcome: "not_run",
      retryAfterS: 30,
      reason: `http://127.0.0.1:${gone.port} keeps failing and is left alone`,
    });
    expect(notifier.breakerOf("web", "r9")).toBe("open");
    // It has not failed by itself.
    expect(notifier.failingOf("web", "r9")).toBeUndefined();
    expect(notifier.failingOf("web", "r4")).toBe("no connection: ECONNREFUSED");
  });
});

describe("receivers that get no POST", () => {
  it("log: writes one line; test: does nothing; both are delivered", async () => {
    const lines: unknown[] = [];
    const log = { ...silentLogger, info: (text: string, fields: unknown) => lines.push([text, fields]) };
    const { notifier, outcomes } = setUp(
      (receiver) => ({ kind: receiver === "log" ? "log" : "test" }),
      undefined,
      {},
      log,
    );
    notifier.dispatch(dispatch({ deliveryId: "1", receiver: "log" }));
    notifier.dispatch(dispatch({ deliveryId: "2", receiver: "test" }));
    await eventually("outcomes", () => outcomes[1]);
    expect(outcomes.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ["accepted", "logged"],
      ["accepted", "test: nothing is sent"],
    ]);
    expect(lines[0]).toEqual([
      "alarm",
      expect.objectContaining({ cluster_id: "web", alarm_name: notification.alarmName, current: "alarm" }),
    ]);
  });
});

describe("trust: a token goes along", () => {
  it("it is asked for, and asked for anew when the receiver does not take it", async () => {
    const answers = [answerOf(401), answerOf(200)];
    await using receiver = await rawReceiver((socket) => socket.end(answers.shift() ?? answerOf(500)));
    let made = 0;
    const forgotten: string[] = [];
    const tokens = {
      token: async () => `secret-token-${++made}`,
      forget: (token: string) => void forgotten.push(token),
    };
    const target = aTarget(`http://127.0.0.1:${receiver.port}/`, { trust: true });
    const { notifier, outcomes } = setUp(() => target, undefined, { tokens });
    notifier.dispatch(dispatch());
    expect(await eventually("an outcome", () => outcomes[0])).toMatchObject({ outcome: "not_run", status: 401 });
    notifier.dispatch(dispatch({ attempt: 2 }));
    expect(await eventually("an outcome", () => outcomes[1])).toMatchObject({ outcome: "accepted" });
    expect(receiver.received.map(({ headers }) => headers["x-auth-token"])).toEqual([
      "secret-token-1",
      "secret-token-2",
    ]);
    expect(forgotten).toEqual(["secret-token-1"]);
  });

  it("without a Keystone it is rejected; with one that is away it is tried again", async () => {
    const target = aTarget("http://127.0.0.1:9/", { trust: true });
    const without = setUp(() => target);
    without.notifier.dispatch(dispatch());
    expect(await eventually("an outcome", () => without.outcomes[0])).toMatchObject({
      outcome: "rejected",
      reason: "receiver r: it needs notifier.keystone in tocsin.yaml",
    });
    const tokens = {
      token: () => Promise.reject(new Error("Keystone at http://k/… does not answer")),
      forget: () => {},
    };
    const away = setUp(() => target, undefined, { tokens });
    away.notifier.dispatch(dispatch());
    expect(await eventually("an outcome", () => away.outcomes[0])).toMatchObject({
      outcome: "not_run",
      reason: "Keystone at http://k/… does not answer",
    });
  });
});

describe("a Keystone that is silent", () => {
  it("holds no place of the receiver's origin, and what waits for it is handed back as the service ends", async () => {
    await using receiver = await rawReceiver(answerOf(202));
    let give = (_token: string) => {};
    const token = new Promise<string>((resolve) => {
      give = resolve;
    });
    const tokens = { token: () => token, forget: () => {} };
    const { notifier, outcomes } = setUp(
      (name) => aTarget(`http://127.0.0.1:${receiver.port}/${name}`, { trust: name === "trusted" }),
      undefined,
      { tokens, perOrigin: 1 },
    );
    notifier.dispatch(dispatch({ deliveryId: "waits", receiver: "trusted" }));
    notifier.dispatch(dispatch({ deliveryId: "plain", receiver: "plain" }));
    expect(await eventually("the plain one", () => outcomes[0])).toMatchObject({ deliveryId: "plain", status: 202 });
    await notifier.stop(60_000);
    expect(outcomes[1]).toMatchObject({ deliveryId: "waits", outcome: "cancelled" });
    give("late");
    await token;
    expect(receiver.received).toHaveLength(1);
    expect(outcomes).toHaveLength(2);
  });
});

describe("secrets in what is told", () => {
  it("a host that is one stands neither in reasons nor in what the receiver fails of", async () => {
    const url = "http://planted-secret.test:1/x";
    const target = aTarget(url, { secrets: ["planted-secret"] });
    const policy = createAddressPolicy({ allow: [], deny: ["planted-secret.test"] });
    const refused = setUp(() => target, undefined, { policy });
    refused.notifier.dispatch(dispatch());
    const outcome = await eventually("an outcome", () => refused.outcomes[0]);
    expect(outcome.outcome).toBe("rejected");
    expect(JSON.stringify([outcome, refused.notifier.failingOf("web", "r")])).not.toContain("planted-secret");

    const nowhere = setUp(() => target, undefined, { resolve: (_host, _options, done) => done(NO_NAME, []) });
    for (let n = 0; n < 6; n++) {
      nowhere.notifier.dispatch(dispatch({ deliveryId: `${n}`, receiver: `r${n}` }));
      await eventually("an outcome", () => nowhere.outcomes[n]);
    }
    expect(nowhere.outcomes[5]?.reason).toBe("http://***.test:1 keeps failing and is left alone");
  });

  it("the receiver's own id of the request is kept without them, and not for as long as it likes", async () => {
    const id = `${"y".repeat(120)}planted-secret${"z".repeat(9000)}`;
    await using receiver = await rawReceiver(answerOf(200, "", { "x-openstack-request-id": id }));
    const { notifier, outcomes } = setUp(() =>
      aTarget(`http://127.0.0.1:${receiver.port}/`, { secrets: ["planted-secret"] }),
    );
    notifier.dispatch(dispatch());
    const outcome = await eventually("an outcome", () => outcomes[0]);
    expect(outcome.detail?.requestId).toBe(`${"y".repeat(120)}***${"z".repeat(5)}`);
  });
});

const NO_NAME = Object.assign(new Error("no such name"), { code: "ENOTFOUND" });

describe("connections that are kept", () => {
  it("what was given up while its connection was made is not written on it", async () => {
    await using receiver = await rawReceiver(answerOf(202, "", { connection: "keep-alive" }));
    let resolved = () => {};
    const resolve: NonNullable<NotifierOptions["resolve"]> = (_host, _options, done) => {
      resolved = () => done(null, [{ address: "127.0.0.1", family: 4 }]);
    };
    const url = `http://slow.test:${receiver.port}/`;
    const { notifier, outcomes } = setUp(() => aTarget(url, { keepAlive: true, timeoutMs: 100 }), undefined, {
      resolve,
    });
    notifier.dispatch(dispatch());
    expect(await eventually("an outcome", () => outcomes[0])).toMatchObject({ outcome: "not_run" });
    resolved();
    await eventually("the connection", () => (receiver.connections() > 0 ? true : undefined));
    await notifier.stop(0);
    expect(receiver.received).toEqual([]);
  });

  it("one connection for several POSTs; one that was closed meanwhile is not used again", async () => {
    const quiet = "HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n";
    const sockets: Socket[] = [];
    await using receiver = await keepingReceiver((socket) => {
      if (!sockets.includes(socket)) sockets.push(socket);
      socket.write(quiet);
    });
    const { notifier, outcomes } = setUp(() => aTarget(receiver.url, { keepAlive: true }));
    for (let n = 0; n < 3; n++) {
      notifier.dispatch(dispatch({ deliveryId: `${n}` }));
      expect(await eventually("an outcome", () => outcomes[n])).toMatchObject({ outcome: "accepted" });
    }
    expect(sockets).toHaveLength(1);
    sockets[0]?.destroy();
    await eventually("the other end", () => (receiver.closed() > 0 ? true : undefined));
    notifier.dispatch(dispatch({ deliveryId: "4" }));
    expect(await eventually("an outcome", () => outcomes[3])).toMatchObject({ outcome: "accepted" });
    expect(sockets).toHaveLength(2);
    await notifier.stop(0);
  });
});

/** A receiver that keeps its connections: it hears every request of each. */
async function keepingReceiver(answer: (socket: Socket) => void) {
  let closed = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("close", () => closed++);
    socket.on("data", () => answer(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    closed: () => closed,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}
