import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TlsOptions } from "node:tls";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { dispatchOf } from "../../src/evaluator/dispatch.ts";
import { createAddressPolicy } from "../../src/lib/addressPolicy.ts";
import { parseHttpDate, systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { Decision, Outcome } from "../../src/model/decision.ts";
import type { NotifierOptions } from "../../src/notifier/notifier.ts";
import { Notifier } from "../../src/notifier/notifier.ts";
import type { WebhookTarget } from "../../src/ports.ts";
import { certificates } from "../helpers/certificates.ts";
import { Folded } from "../helpers/folded.ts";
import type { Behaviour } from "../helpers/hostile.ts";
import { BEHAVIOURS, hostile } from "../helpers/hostile.ts";
import { aTarget } from "../helpers/posts.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";
import { anAlarm, control, notice } from "../helpers/rules.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

type Class = "control" | "notice";

/** More attempts than these are not waited for: it is tried on and on. */
const ATTEMPTS = 4;
/** For receivers that are expected to answer, however busy the machine is; and for those that are expected not to. */
const PATIENT_MS = 20_000;
const IMPATIENT_MS = 300;

interface Played {
  readonly attempts: number;
  /** `waiting`: it would be tried again. */
  readonly end: string;
  readonly ids: number;
}

type Options = Partial<Pick<NotifierOptions, "resolve">> & {
  readonly tls?: WebhookTarget["tls"];
  readonly timeoutMs?: number;
};

function target(url: string, { tls, timeoutMs = PATIENT_MS }: Options = {}): WebhookTarget {
  return aTarget(url, { timeoutMs, ...(tls === undefined ? {} : { tls }) });
}

/** A notifier whose outcomes go where they are asked for. */
function aNotifier(urls: Readonly<Record<string, WebhookTarget>>, { resolve, timeoutMs = PATIENT_MS }: Options) {
  const awaited = new Map<string, (outcome: Outcome) => void>();
  const notifier = new Notifier({
    clock: systemClock,
    parseDate: parseHttpDate,
    log: silentLogger,
    receivers: { resolve: (_clusterId, receiver) => urls[receiver] },
    policy: createAddressPolicy({ allow: [], deny: [] }),
    version: "1",
    connectTimeoutMs: timeoutMs,
    concurrency: 64,
    perOrigin: 8,
    ...(resolve === undefined ? {} : { resolve }),
  });
  notifier.connect({
    heldBecause: () => undefined,
    outcome: (_clusterId, outcome) => awaited.get(outcome.deliveryId)?.(outcome),
  });
  const send = (clusterId: string, decision: Extract<Decision, { d: "send" }>) =>
    new Promise<Outcome>((resolved) => {
      awaited.set(decision.delivery, resolved);
      notifier.dispatch(dispatchOf(clusterId, decision));
    });
  return { notifier, send };
}

/** One alarm's delivery under the real fold, tried until it ends; time between attempts goes by in ticks. */
async function play(of: Class, { send }: ReturnType<typeof aNotifier>): Promise<Played> {
  const actions = [of === "control" ? control("r", "out") : notice("r")];
  // Ids follow from the alarm's: each play has its own.
  const alarm = anAlarm({ name: of, actions: { ok: [], alarm: actions, "insufficient data": [] } });
  const folded = new Folded([alarm]);
  folded.tick({ sessions: 0 });
  let decisions = folded.tick({ sessions: 9 });
  const ids = new Set<string>();
  let attempts = 0;
  for (let tick = 0; tick < 200 && attempts < ATTEMPTS; tick++) {
    for (let sent = sendOf(decisions); sent; sent = sendOf(decisions)) {
      attempts++;
      ids.add(sent.delivery);
      decisions = folded.input(await send("web", sent));
      const ended = decisions.find((one) => one.d === "end");
      if (ended) return { attempts, end: ended.end, ids: ids.size };
      if (attempts === ATTEMPTS) break;
    }
    decisions = folded.tick({ sessions: 9 });
  }
  return { attempts, end: "waiting", ids: ids.size };
}

function sendOf(decisions: readonly Decision[]): Extract<Decision, { d: "send" }> | undefined {
  return decisions.find((one) => one.d === "send");
}

const rows: string[] = [];
afterAll(() => {
  console.log(`${"behaviour".padEnd(32)}${"class".padEnd(9)}${"attempts".padEnd(10)}${"end".padEnd(11)}others' p99`);
  console.log(rows.sort().join("\n"));
});

/** Plays both classes against a URL, and calls a receiver that is well meanwhile. */
async function playBoth(name: string, url: string, options: Options = {}): Promise<Record<Class, Played>> {
  await using well = await rawReceiver(answerOf(202));
  const targets = { r: target(url, options), well: target(`http://127.0.0.1:${well.port}/`) };
  const both = aNotifier(targets, options);
  let isOver = false;
  const others = async (): Promise<number[]> => {
    const tookMs: number[] = [];
    for (let n = 0; !isOver || n < 10; n++) {
      const startedMs = performance.now();
      const outcome = await both.send("other", { ...anySend, delivery: `msg_well-${n}` });
      expect(outcome.outcome).toBe("accepted");
      tookMs.push(performance.now() - startedMs);
    }
    return tookMs.sort((a, b) => a - b);
  };
  const calling = others();
  const [asControl, asNotice] = await Promise.all([play("control", both), play("notice", both)]);
  isOver = true;
  const tookMs = await calling;
  const p99 = tookMs[Math.ceil(tookMs.length * 0.99) - 1] ?? Number.NaN;
  for (const [of, { attempts, end }] of [["control", asControl] as const, ["notice", asNotice] as const]) {
    const tries = end === "waiting" ? `${attempts}…` : String(attempts);
    rows.push(`${name.padEnd(32)}${of.padEnd(9)}${tries.padEnd(10)}${end.padEnd(11)}${p99.toFixed(1)} ms`);
  }
  await both.notifier.stop(0);
  return { control: asControl, notice: asNotice };
}

const anySend: Extract<Decision, { d: "send" }> = {
  d: "send",
  at: 0,
  delivery: "",
  attempt: 1,
  receiver: "well",
  class: "notice",
  direction: "unknown",
  transition: 1,
  repeat: 0,
  notification: {
    alarmName: "well",
    alarmId: "well",
    severity: "low",
    previous: "ok",
    current: "alarm",
    reason: "",
    reasonData: { type: "threshold", disposition: "inside", count: 1, mostRecent: 1 },
  },
};

const once1 = (end: string): Played => ({ attempts: 1, end, ids: 1 });
/** Tried again and again under one id. */
const retried: Played = { attempts: ATTEMPTS, end: "waiting", ids: 1 };

const delivered = { control: once1("delivered"), notice: once1("delivered") };
const rejected = { control: once1("rejected"), notice: once1("rejected") };
/** Nobody knows whether it ran: an action is not sent again for that, a notice under its id. */
const unknown = { control: once1("uncertain"), notice: retried };
const again = { control: retried, notice: retried };

const EXPECTED: Readonly<Record<string, Record<Class, Played>>> = {
  "202": delivered,
  "204": delivered,
  "200 without body": delivered,
  "slow, in time": delivered,
  "slow, too late": unknown,
  "never answers": unknown,
  "head, then nothing": delivered,
  "one byte at a time": unknown,
  "endless answer": delivered,
  "endless head": unknown,
  "body shorter than it says": delivered,
  "error page": unknown,
  "gzip answer": delivered,
  "no HTTP at all": unknown,
  "nonsense after the status": unknown,
  "closes without an answer": unknown,
  "resets after reading": unknown,
  "resets within a 202's body": delivered,
  "103, then 202": delivered,
  "413 before the body": rejected,
  "asks to switch protocols": unknown,
  "300": rejected,
  "400": rejected,
  "401": rejected,
  "403": { control: retried, notice: once1("rejected") },
  "404": rejected,
  "405": rejected,
  "408": unknown,
  "409": { control: once1("busy"), notice: once1("rejected") },
  "410": rejected,
  "413": rejected,
  "422": rejected,
  "425": unknown,
  "429": again,
  "500": unknown,
  "502": unknown,
  "503": again,
  "504": unknown,
  "429, Retry-After 20": again,
  "429, Retry-After a date": again,
  "429, Retry-After nonsense": again,
  "503, Retry-After a day": again,
};

/** They do not answer while anybody waits. */
const IMPATIENT = new Set(["slow, too late", "never answers", "one byte at a time"]);

describe.concurrent("what a receiver does", () => {
  it.each(Object.entries(BEHAVIOURS as Readonly<Record<string, Behaviour>>))("%s", async (name, behaviour) => {
    await using receiver = await hostile(behaviour);
    const options = IMPATIENT.has(name) ? { timeoutMs: IMPATIENT_MS } : {};
    const played = await playBoth(name, `http://127.0.0.1:${receiver.port}/hook`, options);
    // Redirects are not followed, wherever they point.
    expect(played).toEqual(EXPECTED[name] ?? (/^30[12378] to/.test(name) ? rejected : undefined));
    expect(receiver.received.every(({ head }) => head === "POST /hook HTTP/1.1")).toBe(true);
  });
});

type Resolve = NonNullable<NotifierOptions["resolve"]>;

/** A resolver that answers, or does not, as it is told: name servers' faults cannot be had on loopback. */
function resolver(answer: (call: number) => readonly string[] | { readonly code: string } | undefined): Resolve {
  let calls = 0;
  return ((_host: string, options: { all?: boolean }, done: (...result: unknown[]) => void) => {
    const said = answer(calls++);
    if (said === undefined) return;
    if ("code" in said) return process.nextTick(done, Object.assign(new Error(said.code), said));
    const found = said.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    if (options.all) process.nextTick(done, null, found);
    else process.nextTick(done, null, found[0]?.address, found[0]?.family);
  }) as Resolve;
}

describe.concurrent("what a network does", () => {
  it("resets before reading: proved not to have run only where no connection was seen to stand", async () => {
    await using receiver = await hostile({ answer: () => {}, onConnect: (socket) => socket.resetAndDestroy() });
    const played = await playBoth("resets before reading", `http://127.0.0.1:${receiver.port}/`);
    expect(["uncertain", "waiting"]).toContain(played.control.end);
    expect([played.control.ids, played.notice]).toEqual([1, retried]);
  });

  it("nobody listens", async () => {
    const { port } = await rawReceiver(answerOf(202)).then(async (one) => {
      await one[Symbol.asyncDispose]();
      return one;
    });
    expect(await playBoth("refused", `http://127.0.0.1:${port}/`)).toEqual(again);
  });

  it.each([
    { name: "NXDOMAIN", answer: () => ({ code: "ENOTFOUND" }), expected: again },
    { name: "SERVFAIL", answer: () => ({ code: "EAI_AGAIN" }), expected: again },
    { name: "a name server that is silent", answer: () => undefined, expected: again, timeoutMs: IMPATIENT_MS },
    { name: "a dead AAAA beside an A", answer: () => ["::1", "127.0.0.1"], expected: delivered },
  ])("$name", async ({ name, answer, expected, timeoutMs }) => {
    await using receiver = await rawReceiver(answerOf(202));
    const url = `http://receiver.test:${receiver.port}/`;
    expect(
      await playBoth(name, url, { resolve: resolver(answer), ...(timeoutMs === undefined ? {} : { timeoutMs }) }),
    ).toEqual(expected);
  });

  it("an address that changes between attempts is found", async () => {
    await using receiver = await rawReceiver(answerOf(202));
    const resolve = resolver((call) => (call < 2 ? ["127.0.0.2"] : ["127.0.0.1"]));
    const played = await playBoth("a changed address", `http://receiver.test:${receiver.port}/`, { resolve });
    expect(played.control.end).toBe("delivered");
    expect(played.notice.end).toBe("delivered");
    expect(played.control.attempts + played.notice.attempts).toBeGreaterThan(2);
  });
});

/** A TLS server that answers 202 to whatever it reads. */
async function tlsReceiver(options: TlsOptions) {
  let requests = 0;
  const server = createTlsServer(options, (socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      requests++;
      socket.end(answerOf(202));
    });
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}

describe("what TLS does", () => {
  it("certificates that are not trusted, over or another's are refused, and nothing is sent", async () => {
    using folder = temporaryFolder();
    using lateFolder = temporaryFolder();
    using otherFolder = temporaryFolder();
    const good = certificates(folder.path);
    const late = certificates(lateFolder.path, { expired: true });
    const other = certificates(otherFolder.path, { san: "DNS:other.test" });
    await using goodServer = await tlsReceiver(good);
    await using lateServer = await tlsReceiver(late);
    await using otherServer = await tlsReceiver(other);
    expect(await playBoth("TLS: unknown authority", goodServer.url)).toEqual(rejected);
    expect(await playBoth("TLS: expired", lateServer.url, { tls: { ca: late.ca } })).toEqual(rejected);
    expect(await playBoth("TLS: another's name", otherServer.url, { tls: { ca: other.ca } })).toEqual(rejected);
    // Ours do not belong together: nothing is wrong with the receiver.
    const ours = { ca: good.ca, cert: good.cert, key: other.key };
    expect(await playBoth("TLS: our key is another's", goodServer.url, { tls: ours })).toEqual(rejected);
    expect([goodServer.requests(), lateServer.requests(), otherServer.requests()]).toEqual([0, 0, 0]);
    expect(await playBoth("TLS: trusted", goodServer.url, { tls: { ca: good.ca } })).toEqual(delivered);
  });

  it("a receiver that wants our certificate gets it; without one nothing has run", async () => {
    using folder = temporaryFolder();
    const { ca, cert, key } = certificates(folder.path);
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      await using server = await tlsReceiver({
        cert,
        key,
        ca,
        requestCert: true,
        rejectUnauthorized: true,
        maxVersion,
      });
      const name = `TLS: wants ours, ${maxVersion}`;
      // With TLS 1.3 the connection stands before our certificate is asked for, and is then closed without a word.
      const expected = maxVersion === "TLSv1.2" ? rejected : unknown;
      expect(await playBoth(`${name}, none`, server.url, { tls: { ca } })).toEqual(expected);
      expect(server.requests()).toBe(0);
      expect(await playBoth(`${name}, given`, server.url, { tls: { ca, cert, key } })).toEqual(delivered);
    }
  });

  it("old versions are not spoken; plain HTTP where TLS is meant may heal", async () => {
    using folder = temporaryFolder();
    const { ca, cert, key } = certificates(folder.path);
    await using old = await tlsReceiver({
      cert,
      key,
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    const played = await playBoth("TLS 1.1", old.url, { tls: { ca } });
    expect([played.control.end, old.requests()]).toEqual(["rejected", 0]);
    await using plain = await rawReceiver(answerOf(400));
    expect(
      await playBoth("plain HTTP, TLS meant", `https://127.0.0.1:${plain.port}/`, { timeoutMs: IMPATIENT_MS }),
    ).toEqual(again);
    await using tls = await tlsReceiver({ cert, key });
    expect(
      (await playBoth("TLS, plain meant", tls.url.replace("https", "http"), { timeoutMs: IMPATIENT_MS })).control.end,
    ).toBe("uncertain");
  });
});
