import type { SubscriptionOptions } from "nats";
import { headers } from "nats";
import { expect, it } from "vitest";
import { agentSources, publishAgentStatus } from "../../../../src/backend/nats/agents/agents.ts";
import type { NatsLink } from "../../../../src/backend/nats/link/link.ts";
import { keyOf } from "../../../../src/backend/nats/names.ts";
import { setupBus } from "../../../../src/backend/nats/setup/setup.ts";
import type { SourceView } from "../../../../src/serviceView.ts";
import { FakeClock } from "../../../helpers/fakeClock.ts";
import { aPrefix, linkTo } from "../../../helpers/natsBus.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import { natsSettings } from "../../../helpers/natsSettings.ts";

const view = (name: string, more: Partial<SourceView> = {}): SourceView => ({
  ...{ name, kind: "socket", address: "/run/x.sock", ok: true, code: "", reason: "", unmapped: [], skipped_rows: 0 },
  ...{ version: "2.6", pid: 1, uptime_s: 5, process_since: null, rows: 20, errors: 0, duration_ms: 1.5, hints: [] },
  ...more,
});
const until = (check: () => unknown) => expect.poll(check, { timeout: 15_000, interval: 10 }).toBe(true);

it("agents say how their sources are, at once and when something changes; a silent one is told of, one that ends goes", async () => {
  await using server = await startNats();
  const prefix = aPrefix();
  const link = await linkTo(server.url, prefix);
  await setupBus(link, natsSettings([server.url], { prefix }), 10_000);
  // Each of the two has its own time.
  const [agentClock, watchClock] = [new FakeClock(), new FakeClock()];
  const withClock = (clock: FakeClock): NatsLink => ({ ...link, clock });
  let views = [view("s"), view("t")];
  const status = publishAgentStatus({ link: withClock(agentClock), agentId: "web1", sources: () => views });
  const watch = agentSources(withClock(watchClock));
  const names = () => watch.sources().map(({ name, ok, reason }) => `${name} ${ok ? "ok" : reason}`);
  await until(() => names().join() === "web1/s ok,web1/t ok");
  expect(watch.sources()[0]).toEqual(view("web1/s"));

  views = [view("s", { ok: false, code: "refused", reason: "nobody listens" })];
  agentClock.advance(1000);
  await until(() => names().join() === "web1/s nobody listens");

  // Another agent, and what is none.
  const other = publishAgentStatus({ link: withClock(agentClock), agentId: "a b", sources: () => [view("s")] });
  await until(() => names().length === 2);
  const put = (key: string, text: string) => link.js.publish(`$KV.${link.names.agents}.${key}`, text);
  await put("odd", "{");
  await put("odd.run", JSON.stringify({ agent: "odd", run: "run", sources: [view("web1/s")], untold: 0 }));
  await put("web1.run", JSON.stringify({ agent: "web2", run: "run", sources: [], untold: 0 }));
  await put("c.r", JSON.stringify({ agent: "c", run: "r", sources: [{ ...view("c/s"), rows: "many" }], untold: 0 }));
  watchClock.advance(29_999);
  expect(names()).toEqual(["a b/s ok", "web1/s nobody listens"]);
  watchClock.advance(1);
  expect(names()).toEqual(["a b/s no word from the agent", "web1/s no word from the agent"]);
  await until(() => {
    agentClock.advance(1000);
    return names().join() === "a b/s ok,web1/s nobody listens";
  });

  await status.stop();
  await until(() => names().length === 1);
  watchClock.advance(24 * 3600 * 1000);
  expect(names()).toEqual([]);
  await other.stop();
  watch.stop();
  expect(keyOf("a b")).toBe("a=20b");
  await link.close();
});

it("more sources than a message holds: those that fit", async () => {
  await using server = await startNats();
  const prefix = aPrefix();
  const link = await linkTo(server.url, prefix);
  await setupBus(link, natsSettings([server.url], { prefix }), 10_000);
  const many = Array.from({ length: 3000 }, (_, index) => view(`s${index}`, { reason: "x".repeat(300) }));
  const status = publishAgentStatus({ link, agentId: "web1", sources: () => many });
  const watch = agentSources(link);
  await until(() => watch.sources().length > 100);
  expect(watch.sources().length).toBeLessThan(3000);
  await status.stop();
  watch.stop();
  await link.close();
});

/** A link on which every message was stored so much earlier (ms) than it was, by the bus: by subject. */
function aged(link: NatsLink, earlier: (subject: string) => number): NatsLink {
  const subscribe = link.nc.subscribe.bind(link.nc);
  const nc: NatsLink["nc"] = Object.assign(Object.create(link.nc), {
    isClosed: () => link.nc.isClosed(),
    publish: link.nc.publish.bind(link.nc),
    subscribe(subject: string, options: SubscriptionOptions) {
      const callback: SubscriptionOptions["callback"] = (error, message) => {
        const tokens = (message.reply ?? "").split(".");
        if (tokens.length === 9) tokens[7] = `${BigInt(tokens[7]!) - BigInt(earlier(message.subject)) * 1_000_000n}`;
        const own = Object.create(message, {
          reply: { value: tokens.join(".") },
          respond: { value: () => message.respond() },
        });
        options.callback?.(error, own);
      };
      return subscribe(subject, { ...options, callback });
    },
  });
  return { ...link, nc };
}

it("what agents said long ago is as old when a process begins to watch; what nobody has said for days is removed", async () => {
  await using server = await startNats();
  const prefix = aPrefix();
  const link = await linkTo(server.url, prefix);
  await setupBus(link, natsSettings([server.url], { prefix }), 10_000);
  const put = (agent: string, text?: string) => {
    const gone = headers();
    if (text === "") gone.set("KV-Operation", "DEL");
    const status = { agent, run: "r", sources: [view(`${agent}/s`)], untold: 0 };
    return link.js.publish(`$KV.${link.names.agents}.${agent}.r`, text ?? JSON.stringify(status), { headers: gone });
  };
  const [second, day] = [1000, 24 * 3600 * 1000];
  const ages: Readonly<Record<string, number>> = {
    ...{ now: 0, late: 29 * second, silent: 31 * second, old: 2 * day, ended: 2 * day },
    ...{ ancient: 3 * day + second, over: 3 * day + second, garbled: 4 * day },
  };
  const ageOf = (subject: string) => ages[subject.split(".").at(-2) ?? ""] ?? 0;
  for (const agent of Object.keys(ages))
    await put(agent, agent === "ended" || agent === "over" ? "" : agent === "garbled" ? "{" : undefined);
  const clock = new FakeClock();
  const watch = agentSources({ ...aged(link, ageOf), clock });
  const names = () => watch.sources().map(({ name, code }) => `${name} ${code}`);
  const keys = async () =>
    Object.keys((await link.jsm.streams.info(`KV_${link.names.agents}`, { subjects_filter: ">" })).state.subjects ?? {})
      .map((subject) => subject.split(".").at(-2))
      .sort();
  await until(() => names().join() === "late/s ,now/s ,silent/s silent");
  await expect.poll(keys, { timeout: 15_000 }).toEqual(["ended", "late", "now", "old", "silent"]);
  // Who speaks again is there again.
  await put("old");
  await until(() => names().join() === "late/s ,now/s ,old/s ,silent/s silent");
  // While it watches, too.
  clock.advance(3 * day);
  await expect.poll(keys, { timeout: 15_000 }).toEqual([]);
  expect(names()).toEqual([]);
  await put("now");
  await until(() => names().join() === "now/s ");
  watch.stop();
  await link.close();
});
