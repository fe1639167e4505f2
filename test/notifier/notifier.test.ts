import { describe, expect, it } from "vitest";
import { parseHttpDate, systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { Notification, Outcome } from "../../src/model/decision.ts";
import { meaningOfError, meaningOfStatus, retryAfterS } from "../../src/notifier/answer.ts";
import { Notifier } from "../../src/notifier/notifier.ts";
import { splitUrl } from "../../src/notifier/request.ts";
import type { Dispatch, ReceiverTarget } from "../../src/ports.ts";
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
  limits: { concurrency?: number; perOrigin?: number } = {},
) {
  const outcomes: Outcome[] = [];
  const notifier = new Notifier({
    clock: systemClock,
    parseDate: parseHttpDate,
    log: silentLogger,
    receivers: { resolve: (_clusterId, receiver) => target(receiver) },
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
  notification,
  ...fields,
});

async function send(
  url: string,
  fields: Partial<Dispatch> = {},
  timeoutMs = 2000,
  held?: () => string | undefined,
): Promise<Outcome> {
  const { notifier, outcomes } = setUp(() => ({ url, headers: {}, timeoutMs }), held);
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

  it.each([
    { url: "http://h:80/a?b", split: { origin: "http://h:80", host: "h:80", path: "/a?b" } },
    { url: "HTTP://Host", split: { origin: "http://Host", host: "Host", path: "/" } },
    { url: "https://h?x=1", split: { origin: "https://h", host: "h", path: "/?x=1" } },
    { url: "http://h/a/../b/%2e%3A", split: { origin: "http://h", host: "h", path: "/a/../b/%2e%3A" } },
    { url: "http://user@h/", split: undefined },
    { url: "ftp://h/", split: undefined },
    { url: "http://h/a b", split: undefined },
  ])("a URL is split without being rewritten: $url", ({ url, split }) => expect(splitUrl(url)).toEqual(split));

  it("the receiver's own headers go along", async () => {
    await using receiver = await rawReceiver(answerOf(200));
    const url = `http://127.0.0.1:${receiver.port}/`;
    const { notifier, outcomes } = setUp(() => ({ url, headers: { authorization: "Bearer x" }, timeoutMs: 2000 }));
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
    const { notifier, outcomes } = setUp(() => ({
      url: `http://127.0.0.1:${receiver.port}/`,
      headers: {},
      timeoutMs: 2000,
    }));
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
      (receiver) => ({
        url: `http://127.0.0.1:${receiver === "slow" ? slow.port : quick.port}/`,
        headers: {},
        timeoutMs: 60_000,
      }),
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
      () => ({ url: `http://127.0.0.1:${hanging.port}/`, headers: {}, timeoutMs: 60_000 }),
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
