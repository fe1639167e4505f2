/** The samples of all agents, by partition: reports in the bus's numbers, in order for each source, each once. */

import { TocsinError } from "../../../lib/errors.ts";
import type { ScrapeReport } from "../../../model/tick.ts";
import type { Clock, Logger } from "../../../ports.ts";
import type { PartitionSamples } from "../../../scalePorts.ts";
import type { Followed, Following } from "../link/follow.ts";
import { follow } from "../link/follow.ts";
import type { NatsLink } from "../link/link.ts";
import { Labels } from "./labels.ts";
import { Pieces, roomForPieces } from "./pieces.ts";
import type { SampleMessage } from "./wire.ts";
import { decodeMessage, SINCE_HEADER, sinceOf } from "./wire.ts";
import { ServerLines } from "./wireUnpack.ts";

export interface NatsSamplesOptions {
  readonly link: NatsLink;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface NatsSamples extends PartitionSamples {
  /** Messages that could not be read since the start. */
  readonly unreadable: number;
}

/** A subscription begins so many ticks earlier, to know the clocks of agents when it hands out its first report. */
const WARM_UP_TICKS = 6;
/** Runs of agents of which the newest message is remembered. */
const MOST_RUNS = 20_000;
/** Longest wait for the server to begin, ms. */
const LISTEN_MS = 30_000;

export function natsSamples({ link, intervalMs, clock, log }: NatsSamplesOptions): NatsSamples {
  let unreadable = 0;
  const told = new Set<string>();
  const room = roomForPieces();
  const refuse = (agent: string, code: string, reason: string, subject: string) => {
    unreadable++;
    const key = `${code} ${agent} ${reason}`;
    if (told.has(key) || told.size >= MOST_TOLD) return;
    told.add(key);
    log.warn("a message of samples is skipped", { code, subject, agent, reason });
  };
  /** Agents whose clocks are so far off that their ticks are numbered by arrival. */
  const off = new Set<string>();
  const tellSkew = (agent: string, skewMs: number) => {
    const isOff = Math.abs(skewMs) > intervalMs / 4;
    if (isOff === off.has(agent) || (isOff && off.size >= MOST_TOLD)) return;
    if (isOff) off.add(agent);
    else off.delete(agent);
    const fields = { agent, skew_s: skewMs / 1000 };
    if (isOff) log.warn("the clock of an agent is off: its ticks go by when they arrive", fields);
    else log.info("the clock of an agent is right again", fields);
  };
  /** What was subscribed last of each partition. */
  const listening = new Map<number, Following>();
  return {
    get unreadable() {
      return unreadable;
    },
    isListening: (partition) => listening.get(partition)?.isHeard === true,
    async subscribe(partition, since, handle) {
      const labels = new Labels(intervalMs);
      const pieces = new Pieces(room);
      const lines = new ServerLines();
      /** Of each run the number of the newest message: one that was sent again may be there twice. */
      const newest = new Map<string, number>();
      const take = (message: Followed) => {
        const { subject, at: storedAt } = message;
        const read = decodeMessage(message.data, lines);
        const sinceMs = sinceOf(message.headers?.get(SINCE_HEADER));
        if (typeof read === "string") return refuse("", "E633", read, subject);
        if (sinceMs === undefined) return refuse(read.agent, "E633", "it does not say when it was published", subject);
        const wrong = mistakeIn(read, intervalMs);
        if (wrong) return refuse(read.agent, "E634", wrong, subject);
        if (read.seq <= (newest.get(read.run) ?? 0)) return;
        newest.delete(read.run);
        newest.set(read.run, read.seq);
        if (newest.size > MOST_RUNS) newest.delete(newest.keys().next().value ?? "");
        const labelled = labels.label({ ...read.tick, run: read.run, sinceMs, storedAt });
        if (!labelled) return;
        const { number, skewMs } = labelled;
        tellSkew(read.agent, skewMs);
        const { mapping } = read;
        for (const one of read.reports) {
          const whole = pieces.join(read.run, read.tick.number, one);
          if (whole === "large") refuse(read.agent, "E633", "its pieces are too large together", subject);
          if (typeof whole !== "object" || !labels.admits(whole.source, read.run, number) || storedAt < since) continue;
          handle({
            tick: { number, at: number * intervalMs },
            source: whole.source,
            durationMs: whole.durationMs,
            skewMs,
            ...(mapping === undefined ? {} : { mapping }),
            outcome: whole.outcome,
          } satisfies ScrapeReport);
        }
      };
      const following = follow({
        link,
        stream: link.names.samples,
        subject: link.names.samplesSubject(partition),
        from: { time: Math.max(0, since - WARM_UP_TICKS * intervalMs) },
        onMessage: take,
      });
      listening.set(partition, following);
      let isLate = false;
      await new Promise<void>((resolve) => {
        const timer = clock.after(LISTEN_MS, () => {
          isLate = true;
          resolve();
        });
        void following.listening.then(() => {
          timer.cancel();
          resolve();
        });
      });
      const stop = () => {
        following.stop();
        pieces.clear();
      };
      if (!isLate) return stop;
      stop();
      throw new TocsinError(
        "E638",
        `The samples of partition ${partition} cannot be read: the stream ${link.names.samples} did not begin within ${LISTEN_MS / 1000} s.`,
      );
    },
  };
}

const MOST_TOLD = 1000;

/** Why an agent's ticks cannot be ours; `undefined`: they can. */
function mistakeIn({ intervalMs: own, tick, reports, agent }: SampleMessage, intervalMs: number): string | undefined {
  if (own !== intervalMs) return `its interval is ${own} ms, and ours ${intervalMs} ms`;
  if (tick.at % intervalMs !== 0) return "its label is none of the interval's";
  // Nobody speaks for another's sources by mistake.
  if (reports.some(({ source }) => !source.startsWith(`${agent}/`))) return "it speaks for sources of another";
  return undefined;
}
