/** What agents say of their sources, for people: a bucket with one key for each run of an agent. */

import { headers } from "nats";
import type { Logger, Timer } from "../../../ports.ts";
import type { SourceView } from "../../../serviceView.ts";
import { follow } from "../link/follow.ts";
import type { NatsLink } from "../link/link.ts";
import { keyOf } from "../names.ts";
import { sourceOnBus } from "../samples/publisher.ts";
import { agentFrom } from "./agentsCheck.ts";

/** What one run of an agent says. */
export interface AgentStatus {
  readonly agent: string;
  readonly run: string;
  readonly sources: readonly SourceView[];
  /** Sources that it has beyond those told: there are more than a message holds. */
  readonly untold: number;
}

export interface StatusOptions {
  readonly link: NatsLink;
  readonly agentId: string;
  readonly sources: () => readonly SourceView[];
}

/** Without a change it is said again so often: who hears nothing for three of these takes it for gone, ms. */
export const STATUS_EVERY_MS = 10_000;
/** A change is told after at most so long, ms. */
const LOOK_EVERY_MS = 1000;
const MOST_BYTES = 512 * 1024;

export interface StatusPublisher {
  /** Takes the status back: the agent ends. */
  stop(): Promise<void>;
}

/** Says how the sources are: when something changes, and every 10 s. */
export function publishAgentStatus({ link, agentId, sources }: StatusOptions): StatusPublisher {
  const { clock, names } = link;
  const run = crypto.randomUUID();
  const own = `$KV.${names.agents}.${keyOf(agentId)}`;
  const subject = `${own}.${keyOf(run)}`;
  let said = "";
  let saidMs = -Infinity;
  let timer: Timer | undefined;
  let saying: Promise<void> = Promise.resolve();
  let stopped = false;
  let isTidy = false;
  /** What runs before this one have left. One that goes on beside it says so again within 10 s. */
  const tidy = async () => {
    isTidy = true;
    await link.jsm.streams.purge(`KV_${names.agents}`, { filter: `${own}.*` }).catch(() => {
      isTidy = false;
    });
  };
  const say = async () => {
    const views = sources();
    const isDue = clock.monotonic() - saidMs >= STATUS_EVERY_MS;
    const shape = JSON.stringify(views.map(({ name, ok, code, reason, pid }) => [name, ok, code, reason, pid]));
    if (!link.isUp() || (shape === said && !isDue)) return;
    if (!isTidy) await tidy();
    try {
      await link.js.publish(subject, JSON.stringify(statusOf(agentId, run, views)));
      said = shape;
      saidMs = clock.monotonic();
    } catch {
      // People see it later; what matters is told by whoever publishes the samples.
    }
  };
  const look = () => {
    saying = say().finally(() => {
      if (!stopped) timer = clock.after(LOOK_EVERY_MS, look);
    });
  };
  look();
  return {
    async stop() {
      stopped = true;
      timer?.cancel();
      await saying;
      const gone = headers();
      gone.set("KV-Operation", "DEL");
      if (link.isUp()) await link.js.publish(subject, "", { headers: gone }).catch(() => {});
    },
  };
}

function statusOf(agent: string, run: string, views: readonly SourceView[]): AgentStatus {
  const sources: SourceView[] = [];
  let bytes = 0;
  for (const view of views) {
    const own = { ...view, name: sourceOnBus(agent, view.name) };
    bytes += Buffer.byteLength(JSON.stringify(own));
    if (bytes > MOST_BYTES) break;
    sources.push(own);
  }
  return { agent, run, sources, untold: views.length - sources.length };
}

export interface AgentSources {
  /** The sources of all agents, by name in order. */
  sources(): readonly SourceView[];
  stop(): void;
}

/** An agent that has been silent for so long is shown no more, ms. */
const FORGOTTEN_MS = 24 * 3600 * 1000;
/** And what it said is removed from the bus. */
const KEPT_MS = 3 * FORGOTTEN_MS;
const TIDY_EVERY_MS = 3600 * 1000;
const MOST_AGENTS = 20_000;

/** A key of the bucket, as it was heard last. */
interface Heard {
  /** `undefined`: that run has ended, or cannot be read. */
  readonly status: AgentStatus | undefined;
  readonly seq: number;
  /** When it was stored, epoch ms of the bus. */
  readonly at: number;
  readonly heardMs: number;
}

/**
 * Watches what agents say. Of one that is silent the sources are shown as not answering; what one said that has been
 * silent for days is removed.
 */
export function agentSources(link: NatsLink): AgentSources {
  const { clock, log, names } = link;
  const stream = `KV_${names.agents}`;
  const prefix = `$KV.${names.agents}.`;
  let heard = new Map<string, Heard>();
  let growing: Map<string, Heard> | undefined;
  let stopped = false;
  const garbled = new Garbled(log);
  const tidy = async () => {
    for (const [key, { seq, heardMs }] of heard) {
      if (clock.monotonic() - heardMs < KEPT_MS) continue;
      if (stopped) return;
      // What was said since stays.
      await link.jsm.streams.purge(stream, { filter: `${prefix}${key}`, seq: seq + 1 });
      if (heard.get(key)?.seq === seq) heard.delete(key);
    }
  };
  /** Where nobody answers, it is done an hour later. */
  const tidyNow = () => void tidy().catch(() => {});
  const tidyHourly = (): Timer =>
    clock.after(TIDY_EVERY_MS, () => {
      tidyNow();
      timer = tidyHourly();
    });
  let timer = tidyHourly();
  const following = follow({
    link,
    stream,
    subject: `${prefix}>`,
    from: "newest",
    onBegin() {
      growing = new Map();
    },
    onMessage({ subject, data, headers, seq, at }) {
      const key = subject.slice(prefix.length);
      const into = growing ?? heard;
      const isGone = headers?.has("KV-Operation") === true;
      const status = isGone ? undefined : agentFrom(data, key);
      if (!status && !isGone) garbled.tell(key);
      into.delete(key);
      into.set(key, { status, seq, at, heardMs: clock.monotonic() });
      if (into.size > MOST_AGENTS) into.delete(into.keys().next().value ?? "");
    },
    onComplete() {
      if (growing) heard = withAges(growing, heard, clock.monotonic());
      growing = undefined;
      tidyNow();
    },
  });
  return {
    sources() {
      const now = clock.monotonic();
      const byName = new Map<string, SourceView>();
      const known = [...heard.values()].flatMap(({ status, heardMs }) =>
        status && now - heardMs < FORGOTTEN_MS ? { ...status, heardMs, isAlive: now - heardMs < SILENT_MS } : [],
      );
      const alive = new Set(known.filter(({ isAlive }) => isAlive).map(({ agent }) => agent));
      // Whoever was heard last has the last word. Of an agent that was started again the run before is over.
      for (const { agent, sources, isAlive } of known.sort((a, b) => a.heardMs - b.heardMs)) {
        if (!isAlive && alive.has(agent)) continue;
        for (const view of sources) byName.set(view.name, isAlive ? view : silent(view));
      }
      return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    stop() {
      stopped = true;
      timer.cancel();
      following.stop();
    },
  };
}

/**
 * What is read from the beginning was not said just now: it is as old as it was, as far as this process knows, or else
 * as it is by the bus beside the newest of all.
 */
function withAges(read: ReadonlyMap<string, Heard>, before: ReadonlyMap<string, Heard>, now: number) {
  let newestAt = -Infinity;
  for (const { at } of read.values()) newestAt = Math.max(newestAt, at);
  return new Map(
    [...read].map(([key, entry]): [string, Heard] => {
      const known = before.get(key);
      const isSame = known?.seq === entry.seq && known.at === entry.at;
      return [key, { ...entry, heardMs: isSame ? known.heardMs : now - (newestAt - entry.at) }];
    }),
  );
}

const SILENT_MS = 3 * STATUS_EVERY_MS;

function silent(view: SourceView): SourceView {
  return { ...view, ok: false, code: "silent", reason: "no word from the agent" };
}

/** Says once of each key that it cannot be read. */
class Garbled {
  readonly #log: Logger;
  readonly #told = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  tell(key: string): void {
    if (this.#told.has(key) || this.#told.size >= 1000) return;
    this.#told.add(key);
    this.#log.warn("the status of an agent cannot be read", { code: "E637", key });
  }
}
