/** Asking engines: all of them, or the one that works on a cluster; and which of them do not answer. */

import { messageOf, TocsinError } from "../../../lib/errors.ts";
import { partitionOf } from "../../../lib/partition.ts";
import { wait } from "../../../lib/wait.ts";
import type { Clock, Logger } from "../../../ports.ts";
import type { Coordination } from "../../../scalePorts.ts";
import type { BusView, ServiceView, Told } from "../../../serviceView.ts";
import type { NatsLink } from "../link/link.ts";
import { partitions } from "./remoteViewAnswers.ts";
import { Turns } from "./remoteViewTurns.ts";
import { ask, Unanswered } from "./requests.ts";
import type { ViewMethod } from "./viewServer.ts";

/** After a hand-over, or where an owner has died, this long is waited for the next, ms: longer than the usual TTL. */
const OWNER_WAIT_MS = 3000;
/** Least time for an answer, ms, when the wait for an owner has taken the rest. */
const LEAST_MS = 1000;
/** A new owner has this long until it knows its clusters, ms. */
const MOVE_WAIT_MS = 1000;
const LOOK_MS = 50;
/** What an engine says of a cluster that it does not work on: nothing was done. */
const NOT_THERE: ReadonlySet<string> = new Set(["E403", "E650"]);
/** Most that is asked of an engine at a time: others ask it, too, and it takes 64. */
const MOST_AT_ONE = 32;
/** Longest for what every engine knows at once. */
const WORKING_MS = 1000;

export interface AskingOptions {
  readonly link: NatsLink;
  readonly coordination: Coordination;
  readonly partitions: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** The engine of this process, which is asked without a bus. */
  readonly local?: {
    readonly id: string;
    readonly view: ServiceView;
    /** As of `serveView`. */
    readonly working?: () => readonly number[];
  };
}

/** One call of a view, to whichever engine. */
export interface Question<T> {
  readonly method: ViewMethod;
  readonly args: readonly unknown[];
  /** The same call of a view that is here. */
  readonly of: (view: ServiceView) => Told<T>;
  /** What came over the bus; `undefined` where it is no answer. */
  readonly read: (said: unknown) => { readonly value: T } | undefined;
  /** How long its answer may take, ms: of one of a cluster with the wait for its owner. */
  readonly timeoutMs: number;
  /** It does something: without an answer nobody knows whether it has, and it is not asked again. */
  readonly doing?: string;
}

export interface Answered<T> {
  /** Of the engine. */
  readonly id: string;
  readonly value: T;
}

/** What all engines said, and those that said nothing, or refused. */
export interface Answers<T> {
  readonly answered: readonly Answered<T>[];
  readonly failed: readonly { readonly id: string; readonly error: TocsinError }[];
}

export class Asking {
  readonly #options: AskingOptions;
  readonly #turns: Turns;
  /** Engines that did not answer when they were last asked, and why. */
  readonly #silent = new Map<string, string>();

  constructor(options: AskingOptions) {
    this.#options = options;
    this.#turns = new Turns(options.clock, MOST_AT_ONE);
  }

  /** Those that may own partitions, by id in order. */
  engines(): readonly string[] {
    return this.#options.coordination
      .members()
      .filter(({ isReady, roles }) => isReady && roles.includes("engine"))
      .map(({ id }) => id);
  }

  ownerOf(clusterId: string): string | undefined {
    const { coordination, partitions } = this.#options;
    return coordination.ownerOf(partitionOf(clusterId, partitions));
  }

  /**
   * Why what all engines say together may lack something, one line each; empty: it is whole. Partitions that are being
   * taken over are asked for now; who does not answer is known from the last time.
   */
  async lacks(): Promise<readonly string[]> {
    const known = this.#lacksKnown();
    return this.#options.link.isUp() ? [...known, ...(await this.#takeovers())] : known;
  }

  #lacksKnown(): readonly string[] {
    const { link } = this.#options;
    if (!link.isUp()) return ["the bus is not connected"];
    const engines = this.engines();
    if (engines.length === 0) return ["no engine is there"];
    const silent = engines.flatMap((id) => {
      const reason = this.#silent.get(id);
      return reason === undefined ? [] : [`engine ${id} does not answer: ${reason}`];
    });
    return [...silent, ...unownedLines(this.bus().unowned)];
  }

  async #takeovers(): Promise<readonly string[]> {
    const { local, coordination } = this.#options;
    const { answered } = await this.all<readonly number[] | undefined>(
      {
        ...{ method: "working", args: [], timeoutMs: WORKING_MS, read: partitions },
        of: () => local?.working?.(),
      },
      this.engines().filter((id) => !this.#silent.has(id)),
    );
    const worked = new Map(answered.map(({ id, value }) => [id, value && new Set(value)]));
    const taken = Array.from({ length: this.#options.partitions }, (_, partition) => partition).filter((partition) => {
      const own = worked.get(coordination.ownerOf(partition) ?? "");
      return own !== undefined && !own.has(partition);
    });
    return linesOf(taken, "is being taken over", "are being taken over");
  }

  bus(): BusView {
    const { coordination, link, partitions } = this.#options;
    const { id } = coordination;
    const members = coordination.members();
    const owners = Array.from({ length: partitions }, (_, partition) => coordination.ownerOf(partition));
    const numbers = (is: (owner: string | undefined) => boolean) =>
      owners.flatMap((owner, partition) => (is(owner) ? [partition] : []));
    return {
      connected: link.isUp(),
      id,
      roles: members.find((one) => one.id === id)?.roles ?? [],
      partitions,
      owned: numbers((owner) => owner === id),
      unowned: numbers((owner) => owner === undefined),
      members: members.map(({ isReady, ...member }) => ({ ...member, ready: isReady })),
    };
  }

  /** Asks every engine. Never rejects. */
  async all<T>(question: Question<T>, engines = this.engines()): Promise<Answers<T>> {
    const answered: Answered<T>[] = [];
    const failed: Answers<T>["failed"][number][] = [];
    await Promise.all(
      engines.map(async (id) => {
        try {
          answered.push({ id, value: await this.#one(id, question) });
        } catch (error) {
          failed.push({ id, error: asCoded(error) });
        }
      }),
    );
    const byId = (a: { readonly id: string }, b: { readonly id: string }) =>
      engines.indexOf(a.id) - engines.indexOf(b.id);
    return { answered: answered.sort(byId), failed: failed.sort(byId) };
  }

  /**
   * Asks every engine for what one of them has; resolves as soon as one does. `undefined`: none has it. Rejects with what
   * an engine said against it, or with `E661` where not all could be asked.
   */
  async any<T>(question: Question<T>, has: (value: T) => boolean): Promise<T | undefined> {
    const engines = this.engines();
    const errors: TocsinError[] = [];
    const found = await new Promise<T | undefined>((resolve) => {
      const each = engines.map(async (id) => {
        try {
          const value = await this.#one(id, question);
          if (has(value)) resolve(value);
        } catch (error) {
          errors.push(asCoded(error));
        }
      });
      void Promise.all(each).then(() => resolve(undefined));
    });
    if (found !== undefined) return found;
    const refusal = errors.find((error) => !(error instanceof Unanswered));
    if (refusal) throw refusal;
    const why = errors[0]?.message ?? (await this.lacks())[0];
    if (why === undefined) return undefined;
    throw new TocsinError("E661", `it is not found now, and not all could be asked: ${why}; ask again in some seconds`);
  }

  /**
   * Asks the engine that works on the cluster, once more where that has just changed. Rejects with `E662` when there is
   * none, with `E663` when nobody knows whether something was done.
   */
  async owner<T>(clusterId: string, question: Question<T>): Promise<T> {
    const { clock } = this.#options;
    const end = clock.monotonic() + question.timeoutMs;
    const leftMs = () => end - clock.monotonic();
    const askNow = (id: string) => this.#one(id, { ...question, timeoutMs: Math.max(LEAST_MS, leftMs()) });
    const id = await this.#ownerWithin(clusterId, OWNER_WAIT_MS, () => true);
    try {
      return await askNow(id);
    } catch (error) {
      const isElsewhere = (error instanceof Unanswered && error.isUndone) || NOT_THERE.has(asCoded(error).code);
      if (!isElsewhere || leftMs() < LEAST_MS) throw inDoubt(error, question);
      // Its successor, or, after a while, the same: it may have begun to work on it only now.
      const since = clock.monotonic();
      const isLater = (owner: string) => owner !== id || clock.monotonic() - since >= MOVE_WAIT_MS;
      const next = await this.#ownerWithin(clusterId, Math.min(OWNER_WAIT_MS, leftMs()), isLater);
      return askNow(next).catch((again: unknown) => {
        throw inDoubt(again, question);
      });
    }
  }

  async #ownerWithin(clusterId: string, limitMs: number, isFit: (owner: string) => boolean): Promise<string> {
    const { clock, partitions } = this.#options;
    const end = clock.monotonic() + limitMs;
    for (;;) {
      const owner = this.ownerOf(clusterId);
      if (owner !== undefined && isFit(owner)) return owner;
      if (clock.monotonic() >= end) break;
      await wait(clock, LOOK_MS);
    }
    const partition = partitionOf(clusterId, partitions);
    const why = this.#options.link.isUp() ? `partition ${partition} has no owner` : "the bus is not connected";
    throw new TocsinError(
      "E662",
      `no engine works on the cluster now, and nothing was done: ${why}; ask again in some seconds`,
    );
  }

  async #one<T>(id: string, { method, args, of, read, timeoutMs }: Question<T>): Promise<T> {
    const { link, local, coordination } = this.#options;
    if (local?.id === id) return of(local.view);
    const endTurn = await this.#turns.take(id, timeoutMs);
    if (!endTurn) throw new Unanswered("E664", `process ${id} has not had time for it`, true);
    try {
      const isGone = () => !coordination.members().some((member) => member.id === id);
      const answer = read(await ask(link, id, method, args, timeoutMs, isGone));
      if (!answer)
        throw new Unanswered("E665", `the answer of process ${id} cannot be read: it may be of another version`, false);
      this.#answers(id);
      return answer.value;
    } catch (error) {
      if (error instanceof Unanswered) this.#isSilent(id, error);
      else this.#answers(id);
      throw error;
    } finally {
      endTurn();
    }
  }

  #answers(id: string): void {
    if (this.#silent.delete(id)) this.#options.log.info("engine answers again", { engine: id });
  }

  #isSilent(id: string, { message, code }: Unanswered): void {
    const { log, coordination, link } = this.#options;
    const members = new Set(coordination.members().map((member) => member.id));
    for (const known of this.#silent.keys()) if (!members.has(known)) this.#silent.delete(known);
    // Who has gone does not fail; and without a bus nobody does.
    if (!link.isUp() || !members.has(id)) return;
    if (!this.#silent.has(id)) log.warn("engine does not answer", { engine: id, code, reason: message });
    this.#silent.set(id, message);
  }
}

/** Which partitions nobody works on, as one line; none: no line. */
export function unownedLines(unowned: readonly number[]): readonly string[] {
  return linesOf(unowned, "has no owner", "have no owner");
}

function linesOf(all: readonly number[], one: string, several: string): readonly string[] {
  if (all.length === 0) return [];
  const runs: [from: number, to: number][] = [];
  for (const partition of all) {
    const last = runs.at(-1);
    if (last && last[1] === partition - 1) last[1] = partition;
    else runs.push([partition, partition]);
  }
  const words = runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
  return [all.length === 1 ? `partition ${words} ${one}` : `partitions ${words} ${several}`];
}

/** What was asked may have been done: then that is said, instead of why there is no answer. */
function inDoubt(error: unknown, { doing }: Question<unknown>): unknown {
  if (doing === undefined || !(error instanceof Unanswered) || error.isUndone) return error;
  const message = `it is not known whether ${doing} was done: ${error.message}; look before you repeat it`;
  return new TocsinError("E663", message, { cause: error });
}

function asCoded(error: unknown): TocsinError {
  if (error instanceof TocsinError) return error;
  return new Unanswered("E665", messageOf(error), false);
}
