import { describe, expect, it } from "vitest";
import { Heartbeat } from "../../src/notifier/heartbeat.ts";
import type { Logger } from "../../src/ports.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import type { Received } from "../helpers/receiver.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";
import { eventually } from "../helpers/sockets.ts";

const SHOWN = "http://$" + "{env:HOST}/…";

/** Knows how many timers run. */
class CountingClock extends FakeClock {
  open = 0;
  override after(delayMs: number, run: () => void) {
    this.open++;
    let isOpen = true;
    const end = () => {
      if (isOpen) this.open--;
      isOpen = false;
    };
    const timer = super.after(delayMs, () => {
      end();
      run();
    });
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }
}

/** A heartbeat whose log and health the test holds. */
function setUp(url: string | (() => string)) {
  const clock = new CountingClock();
  const lines: string[] = [];
  const write = (text: string, fields: object = {}) => lines.push(`${text} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: write, info: write, warn: write, error: write };
  const health = { is: true };
  const troubles = () => (health.is ? [] : ["web: no source answers"]);
  const read = typeof url === "string" ? () => url : url;
  const heartbeat = new Heartbeat({ url: read, shown: SHOWN, clock, log, troubles, version: "1.2.3" });
  return { clock, lines, health, heartbeat, [Symbol.asyncDispose]: () => heartbeat.stop() };
}

type It = ReturnType<typeof setUp>;

/** So many calls have come and are over: nothing of them is left but the timer of the next, in no time of the clock. */
async function calls(it: It, received: readonly Received[], count: number): Promise<void> {
  await eventually(`${count} calls`, () => received.length >= count && it.clock.open === 1);
  await new Promise(setImmediate);
  expect(received).toHaveLength(count);
}

describe("the rhythm", () => {
  it("at once, and then each minute", async () => {
    await using receiver = await rawReceiver(answerOf(200));
    await using it = setUp(`http://127.0.0.1:${receiver.port}/ping/planted?x=1`);
    it.heartbeat.start();
    await calls(it, receiver.received, 1);
    expect(receiver.received[0]).toMatchObject({
      head: "GET /ping/planted?x=1 HTTP/1.1",
      headers: { connection: "close", "user-agent": "tocsin/1.2.3" },
      body: "",
    });
    for (let minute = 2; minute < 5; minute++) {
      it.clock.advance(59_999);
      expect(receiver.connections()).toBe(minute - 1);
      it.clock.advance(1);
      await calls(it, receiver.received, minute);
    }
    expect(it.lines).toEqual([]);
  });

  it("begins within a second of being well, rests while it is not, and goes on when it is again", async () => {
    await using receiver = await rawReceiver(answerOf(204));
    await using it = setUp(`http://127.0.0.1:${receiver.port}/`);
    it.health.is = false;
    it.heartbeat.start();
    it.clock.advance(600_000);
    it.health.is = true;
    it.clock.advance(1000);
    await calls(it, receiver.received, 1);
    it.health.is = false;
    it.clock.advance(180_000);
    expect(receiver.connections()).toBe(1);
    it.health.is = true;
    it.clock.advance(1000);
    await calls(it, receiver.received, 2);
    // Being unwell between two calls changes nothing.
    it.health.is = false;
    it.clock.advance(30_000);
    it.health.is = true;
    it.clock.advance(29_999);
    expect(receiver.connections()).toBe(2);
    it.clock.advance(1);
    await calls(it, receiver.received, 3);
    const withheld = 'heartbeat withheld {"url":';
    expect(it.lines.filter((line) => line.startsWith(withheld) && line.includes("no source answers"))).toHaveLength(2);
  });

  it("ends when it is stopped, also amid a call", async () => {
    await using receiver = await rawReceiver(() => {});
    const { clock, heartbeat, lines } = setUp(`http://127.0.0.1:${receiver.port}/`);
    heartbeat.start();
    await eventually("the call", () => receiver.received[0]);
    await heartbeat.stop();
    clock.advance(600_000);
    expect(receiver.connections()).toBe(1);
    expect(lines).toEqual([]);
  });

  it("one call at a time: one that hangs is broken off after ten seconds", async () => {
    await using receiver = await rawReceiver(() => {});
    await using it = setUp(`http://127.0.0.1:${receiver.port}/planted`);
    it.heartbeat.start();
    await eventually("the call", () => receiver.received[0]);
    it.clock.advance(9_999);
    expect(it.lines).toEqual([]);
    it.clock.advance(1);
    await calls(it, receiver.received, 1);
    expect(it.lines).toEqual([`heartbeat failed {"url":"${SHOWN}","reason":"no answer within 10000 ms"}`]);
  });
});

describe("a call that fails", () => {
  it("is told once for each change, without its path", async () => {
    const answers = [500, 500, 302, 200, 200, 404];
    await using receiver = await rawReceiver((socket) =>
      socket.end(answerOf(answers.shift() ?? 200, "planted", { location: "/elsewhere" })),
    );
    await using it = setUp(`http://127.0.0.1:${receiver.port}/planted`);
    it.heartbeat.start();
    const url = `{"url":"${SHOWN}"`;
    const told = [
      `heartbeat failed ${url},"reason":"answered 500"}`,
      undefined,
      `heartbeat failed ${url},"reason":"answered 302"}`,
      `heartbeat works again ${url}}`,
      undefined,
      `heartbeat failed ${url},"reason":"answered 404"}`,
    ];
    for (const [index, line] of told.entries()) {
      await calls(it, receiver.received, index + 1);
      expect(it.lines.splice(0)).toEqual(line === undefined ? [] : [line]);
      it.clock.advance(60_000);
    }
    await calls(it, receiver.received, 7);
    // No redirect was followed.
    expect(receiver.received.map(({ head }) => head)).toEqual(Array(7).fill("GET /planted HTTP/1.1"));
  });

  it("an answer without an end is an answer", async () => {
    await using receiver = await rawReceiver((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
      socket.write("x".repeat(100_000));
    });
    await using it = setUp(`http://127.0.0.1:${receiver.port}/`);
    it.heartbeat.start();
    await calls(it, receiver.received, 1);
    it.clock.advance(60_000);
    await calls(it, receiver.received, 2);
    expect(it.lines).toEqual([]);
  });

  it.each(["planted", "ftp://h/planted", "http://planted:planted@h/", "http://h/planted→"])(
    "a URL that is none is not shown: %s",
    async (url) => {
      await using it = setUp(url);
      it.heartbeat.start();
      await eventually("its line", () => it.lines[0]);
      expect(it.lines).toEqual([
        `heartbeat failed {"url":"${SHOWN}","reason":"notifier.heartbeat_url is no http(s)://host[:port]/path"}`,
      ]);
    },
  );

  it("a secret that cannot be read is one, and is read again at the next", async () => {
    await using receiver = await rawReceiver(answerOf(200));
    let isThere = false;
    await using it = setUp(() => {
      if (!isThere) throw new Error("the environment has no variable HOST");
      return `http://127.0.0.1:${receiver.port}/`;
    });
    it.heartbeat.start();
    await eventually("its line", () => it.lines[0]);
    isThere = true;
    it.clock.advance(60_000);
    await calls(it, receiver.received, 1);
    expect(it.lines).toEqual([
      `heartbeat failed {"url":"${SHOWN}","reason":"the environment has no variable HOST"}`,
      `heartbeat works again {"url":"${SHOWN}"}`,
    ]);
  });
});
