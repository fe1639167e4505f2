import { lookup } from "node:dns";
import { isIP } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAddressPolicy } from "../../src/lib/addressPolicy.ts";
import { parseHttpDate, systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { Outcome } from "../../src/model/decision.ts";
import type { Resolve } from "../../src/notifier/lookup.ts";
import { Notifier } from "../../src/notifier/notifier.ts";
import type { Dispatch, WebhookTarget } from "../../src/ports.ts";
import { CountingHost } from "../helpers/countingHost.ts";
import { CONFUSING_URLS, HOSTILE_URLS, LOOPBACK_URLS, UNSPECIFIED_URLS } from "../helpers/hostileUrls.ts";
import { aTarget } from "../helpers/posts.ts";
import { answerOf } from "../helpers/receiver.ts";
import { eventually } from "../helpers/sockets.ts";

/** Where the receiver is that may be called; it is on loopback too, and allowed or not denied. */
const GOOD = "127.128.0.1";
const VICTIMS = ["127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "::1"];

let good: CountingHost;
let victims: Map<string, CountingHost>;
let port = 0;

/** The same port at every address: whoever is misled at the one is seen at the other. */
async function occupy(): Promise<boolean> {
  good = new CountingHost((path) => {
    const [, status, to] = /^\/redirect\/(\d+)\?to=(.*)$/.exec(path) ?? [];
    if (status === undefined || to === undefined) return answerOf(200);
    // As written, whatever the header then is: only its line must not end.
    const location = Buffer.from(decodeURIComponent(to).replace(/[\r\n]/g, "")).toString("latin1");
    return answerOf(Number(status), "", { location });
  });
  victims = new Map();
  port = (await good.listen(GOOD, 0)) ?? 0;
  for (const address of VICTIMS) {
    const victim = new CountingHost(() => answerOf(200));
    if ((await victim.listen(address, port)) !== undefined) victims.set(address, victim);
    else if (address !== "::1") return false;
  }
  return port > 0;
}

beforeAll(async () => {
  for (let tries = 0; !(await occupy()); tries++) {
    closeAll();
    if (tries === 20) throw new Error("no port is free at every address");
  }
});
const closeAll = () => {
  for (const host of [good, ...victims.values()]) host.close();
};
afterAll(closeAll);

const reached = () => [...victims.values()].reduce((sum, { connections }) => sum + connections, 0);

interface Level {
  readonly name: string;
  readonly isGuest: boolean;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}
const LEVELS: readonly Level[] = [
  { name: "guest", isGuest: true, allow: [GOOD], deny: [] },
  // Loopback is the operator's own: denied but for the good receiver, it stands for whatever an operator denies.
  { name: "operator", isGuest: false, allow: [], deny: ["127.0.0.0/9", "127.255.0.0/16", "::1"] },
];

/** Sends one POST and tells what became of it. Each name is resolved as the test says. */
function sender({ allow, deny, isGuest }: Omit<Level, "name">, resolve: (name: string) => readonly string[]) {
  const targets = new Map<string, WebhookTarget>();
  const outcomes = new Map<string, Outcome>();
  let resolutions = 0;
  const fake: Resolve = (name, _options, callback) => {
    resolutions++;
    callback(
      null,
      resolve(name).map((address) => ({ address, family: isIP(address) })),
    );
  };
  const notifier = new Notifier({
    clock: systemClock,
    parseDate: parseHttpDate,
    log: silentLogger,
    receivers: { resolve: (_clusterId, receiver) => targets.get(receiver) },
    policy: createAddressPolicy({ allow, deny }),
    resolve: Object.assign(fake, { __promisify__: lookup.__promisify__ }) as typeof lookup,
    version: "1.2.3",
    connectTimeoutMs: 2000,
    concurrency: 64,
    perOrigin: 32,
  });
  notifier.connect({
    heldBecause: () => undefined,
    outcome: (_clusterId, outcome) => outcomes.set(outcome.deliveryId, outcome),
  });
  return {
    resolutions: () => resolutions,
    async post(url: string, keepAlive = false): Promise<Outcome> {
      const deliveryId = `msg_${targets.size}`;
      targets.set(deliveryId, aTarget(url, { isGuest, keepAlive }));
      notifier.dispatch(dispatchOf(deliveryId));
      return eventually(`an outcome of ${url}`, () => outcomes.get(deliveryId));
    },
    [Symbol.asyncDispose]: () => notifier.stop(1000),
  };
}

const dispatchOf = (deliveryId: string): Dispatch => ({
  clusterId: "web",
  deliveryId,
  attempt: 1,
  receiver: deliveryId,
  control: false,
  direction: "out",
  transition: 1,
  repeat: 0,
  at: 1_700_000_000_000,
  notification: {
    alarmName: "out",
    alarmId: "21ba09aa-8aa0-5e15-9296-664b0087de34",
    severity: "low",
    previous: "ok",
    current: "alarm",
    reason: "x",
    reasonData: { type: "event", event: {} },
  },
});

const withPort = (url: string) => url.replace("PORT", String(port));
const hostOf = (url: string) => URL.parse(url)?.hostname.replace(/^\[(.*)\]$/, "$1") ?? "";
/** The address that a URL means, for a name that leads there. */
const addressOf = (url: string) => (isIP(hostOf(url)) === 0 ? "127.0.0.1" : hostOf(url));
/** What is a URL is refused by the policy, and what only looks like one at the latest when it is to be written. */
const refusalOf = (url: string) =>
  CONFUSING_URLS.map(withPort).includes(url) || /[^ -~]/.test(url)
    ? /refused|URL is not http|cannot be made/
    : / refused/;

const counts = { checks: 0 };

describe.each(LEVELS)("nothing that is refused is reached: $name", (level) => {
  const refused = (outcome: Outcome, url: string) => {
    counts.checks++;
    expect(outcome, url).toMatchObject({ outcome: "rejected", reason: expect.stringMatching(refusalOf(url)) });
    expect(outcome.detail, url).not.toHaveProperty("connectMs");
    expect(reached(), url).toBe(0);
  };
  /** Spread over both ways of connecting. */
  const each = async (check: (url: string, keepAlive: boolean, index: number) => Promise<void>) => {
    await Promise.all(HOSTILE_URLS.map((url, index) => check(withPort(url), index % 2 === 1, index)));
  };

  it("literal: as it is written", async () => {
    await using it = sender(level, () => ["127.0.0.1", "::1"]);
    await each(async (url, keepAlive) => refused(await it.post(url, keepAlive), url));
  });

  it("DNS: a name that leads there", async () => {
    const leads = new Map(HOSTILE_URLS.map((url, index) => [`n${index}.example`, addressOf(withPort(url))]));
    await using it = sender(level, (name) => [leads.get(name) ?? "127.0.0.1"]);
    await each(async (url, keepAlive, index) =>
      refused(await it.post(`http://n${index}.example:${port}/`, keepAlive), url),
    );
    expect(it.resolutions()).toBe(HOSTILE_URLS.length);
  });

  it("rebinding: a name that leads there the second time, or now here, now there", async () => {
    const asked = new Map<string, number>();
    await using it = sender(level, (name) => {
      const count = (asked.get(name) ?? 0) + 1;
      asked.set(name, count);
      const bad = addressOf(withPort(HOSTILE_URLS[Number(/\d+/.exec(name)?.[0])] ?? ""));
      return [[GOOD], [bad], [bad, GOOD], [GOOD, bad], [bad, "0.0.0.0"]][count - 1] ?? [bad];
    });
    const before = good.requests.length;
    await Promise.all(
      HOSTILE_URLS.map(async (hostile, index) => {
        const url = `http://n${index}.example:${port}/`;
        for (const expected of ["accepted", "rejected", "accepted", "accepted", "rejected"]) {
          const outcome = await it.post(url);
          if (expected === "rejected") refused(outcome, hostile);
          else {
            counts.checks++;
            expect(outcome.outcome, hostile).toBe("accepted");
            expect(reached(), hostile).toBe(0);
          }
        }
        // One look at the name for each attempt: nothing asks again between judging and connecting.
        expect(asked.get(`n${index}.example`)).toBe(5);
      }),
    );
    expect(good.requests.length - before).toBe(3 * HOSTILE_URLS.length);
  });

  it("redirect: a receiver that sends us there", async () => {
    await using it = sender(level, () => [GOOD]);
    const before = good.requests.length;
    for (const status of [302, 307, 308])
      await each(async (url, keepAlive) => {
        const from = `http://good.example:${port}/redirect/${status}?to=${encodeURIComponent(url)}`;
        const outcome = await it.post(from, keepAlive);
        counts.checks++;
        expect(outcome, url).toMatchObject({ outcome: "rejected", status });
        expect(reached(), url).toBe(0);
      });
    expect(good.requests.length - before).toBe(3 * HOSTILE_URLS.length);
  });
});

it("in all", () => {
  expect(HOSTILE_URLS.length).toBeGreaterThanOrEqual(40);
  expect(new Set(HOSTILE_URLS).size).toBe(HOSTILE_URLS.length);
  // Of each URL, at each level: once as it is, once by name, five times rebound, three times redirected.
  expect(counts.checks).toBe(LEVELS.length * HOSTILE_URLS.length * 10);
  console.log(`ssrf urls=${HOSTILE_URLS.length} checks=${counts.checks} reached=${reached()}`);
  expect(reached()).toBe(0);
});

/** Last: from here on victims are reached. */
describe("the victims are real", () => {
  const isLocal = (url: string) => /^(127\.|0\.0\.0\.0$|::1?$|::ffff:(7f|0:0))|localhost\.?$/.test(hostOf(url));
  const local = () => [...LOOPBACK_URLS, ...UNSPECIFIED_URLS].map(withPort).filter(isLocal);
  const canReach = (url: string) => victims.has("::1") || !/^::1?$/.test(hostOf(url));

  it("without a policy every spelling of them is reached, or cannot be sent as it is written", async () => {
    const none = { isGuest: false, allow: ["*"], deny: [] };
    await using it = sender(none, () => ["127.0.0.1"]);
    let unsendable = 0;
    for (const url of local().filter(canReach)) {
      const before = reached();
      const { outcome } = await it.post(url);
      // A Host header has no full-width digits.
      if (outcome === "rejected") unsendable++;
      else expect([url, outcome, reached() - before]).toEqual([url, "accepted", 1]);
    }
    expect(reached()).toBeGreaterThanOrEqual(30);
    console.log(`ssrf without policy: urls=${local().length} unsendable=${unsendable} reached=${reached()}`);
  });

  it("and the operator's loopback is reached where it is not denied", async () => {
    await using it = sender({ isGuest: false, allow: [], deny: [] }, () => ["127.0.0.1"]);
    for (const url of [`http://127.0.0.1:${port}/`, `http://localhost:${port}/`, `http://a.example:${port}/`])
      expect((await it.post(url)).outcome).toBe("accepted");
    expect(await it.post(`http://0.0.0.0:${port}/`)).toMatchObject({ outcome: "rejected" });
  });
});
