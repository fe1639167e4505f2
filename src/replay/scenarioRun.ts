/**
 * Plays a scenario. At each tick, in this order: servers change, HAProxy counts, sources answer, the tick is sealed
 * and folded, receivers answer; then, as said for times up to the next tick, events, commands and restarts happen.
 * What is expected of a tick is looked at after all of that.
 */

import { rfc3339 } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import type { Decision } from "../model/decision.ts";
import type { MemberState } from "../model/meters.ts";
import type { ScrapeReport, Tick } from "../model/tick.ts";
import type { CommandAt, EventAt, Mismatch, Scenario } from "./scenario.ts";
import { ScenarioJournal } from "./scenarioJournal.ts";
import type { MeaningOf } from "./scenarioReceivers.ts";
import { ScenarioReceivers } from "./scenarioReceivers.ts";
import { ScenarioService } from "./scenarioService.ts";
import { ScenarioSource } from "./scenarioSource.ts";

/** Plays a scenario; what it returns differs from what was expected, empty: nothing does. */
export function runScenario(scenario: Scenario, meaningOf: MeaningOf): readonly Mismatch[] {
  const play = new Play(scenario, meaningOf);
  try {
    play.run();
  } catch (error) {
    const got = `a bug: ${error instanceof Error ? error.stack : messageOf(error)}`;
    return [{ at: play.atS, expected: "no exception", got }];
  }
  return play.mismatches();
}

class Play {
  readonly #scenario: Scenario;
  readonly #receivers: ScenarioReceivers;
  readonly #service: ScenarioService;
  readonly #journal: ScenarioJournal;
  readonly #sources: readonly ScenarioSource[];
  readonly #members = new Map<string, MemberState>();
  #index = -1;
  /** Milliseconds that the wall clock has stepped by. */
  #steppedMs = 0;
  /** Seconds at which a process begins again that has ended. */
  #beginsS: number | undefined;

  constructor(scenario: Scenario, meaningOf: MeaningOf) {
    const { rules, intervalMs, inputSeries } = scenario;
    this.#scenario = scenario;
    this.#receivers = new ScenarioReceivers(scenario.outcomes, meaningOf);
    this.#service = new ScenarioService(rules, intervalMs, (decision) => this.#hear(decision));
    this.#journal = new ScenarioJournal(scenario);
    this.#sources = scenario.sources.map((name) => new ScenarioSource(name, scenario));
    // A server of which there are values is there.
    for (const { server } of inputSeries) if (server !== undefined) this.#members.set(server, "up");
  }

  get atS(): number {
    return (this.#index * this.#scenario.intervalMs) / 1000;
  }

  run(): void {
    const { intervalMs, sources, untilS } = this.#scenario;
    this.#service.start(this.#tick(), sources);
    while (this.atS + intervalMs / 1000 <= untilS + 1e-9) {
      this.#index++;
      this.#pass();
      if (this.#beginsS === undefined) {
        this.#ask();
        this.#answer();
        this.#hearOthers();
        this.#end();
      } else if (this.#beginsS <= this.atS) {
        this.#beginsS = undefined;
        this.#service.start(this.#tick(), [...this.#service.cluster.lastOk.keys()]);
        this.#answer();
      }
      this.#journal.look(this.atS, this.#service.cluster);
    }
  }

  mismatches(): readonly Mismatch[] {
    const faults = [...this.#service.faults];
    const replayed = this.#service.replayDiffers();
    if (replayed !== undefined) faults.push(`the replay of the record differs: ${replayed}`);
    return [...this.#journal.mismatches(), ...faults.map((got) => ({ at: this.atS, expected: "the same again", got }))];
  }

  #tick(): Tick {
    const { startMs, intervalMs } = this.#scenario;
    return {
      number: startMs / intervalMs + this.#index,
      at: startMs + this.#index * intervalMs + this.#steppedMs,
    };
  }

  /** What is said for times from this tick up to the next. */
  #isNow({ at }: { readonly at: number }): boolean {
    return at >= this.atS && at < this.atS + this.#scenario.intervalMs / 1000;
  }

  #pass(): void {
    const { intervalMs, servers, faults } = this.#scenario;
    const before = this.atS - intervalMs / 1000;
    const reached = ({ at }: { readonly at: number }) => at <= this.atS && at > before;
    for (const { states } of servers.filter(reached)) {
      for (const [name, state] of states) {
        if (state === "gone") this.#members.delete(name);
        else this.#members.set(name, state);
      }
    }
    for (const { what, from, byMs } of faults) {
      if (what !== "clock_step" || !reached({ at: from })) continue;
      this.#steppedMs += Math.round(byMs / intervalMs) * intervalMs;
    }
    for (const source of this.#sources) source.pass(this.#index, this.#members);
  }

  #ask(): void {
    const tick = this.#tick();
    const inTime: ScrapeReport[] = [];
    const late: ScrapeReport[] = [];
    for (const source of this.#sources) {
      const isLate = source.suffers("late", this.atS);
      const report = source.answer(tick, this.#index, this.#members, !isLate);
      const times = source.suffers("duplicate", this.atS) ? 2 : 1;
      for (let copy = 0; copy < times; copy++) (isLate ? late : inTime).push(report);
    }
    this.#service.tick(tick, inTime, late);
  }

  /** Answers of receivers, and those to the calls that follow from them. */
  #answer(): void {
    const nextS = this.atS + this.#scenario.intervalMs / 1000;
    for (let outcome = this.#receivers.next(nextS); outcome; outcome = this.#receivers.next(nextS))
      this.#service.input(outcome);
  }

  #hearOthers(): void {
    const { events, commands } = this.#scenario;
    events.forEach((event, index) => {
      if (this.#isNow(event)) this.#event(event, index);
    });
    for (const command of commands) if (this.#isNow(command)) this.#command(command);
    this.#answer();
  }

  #event({ at, eventType, traits, messageId }: EventAt, index: number): void {
    const generated = rfc3339(this.#tick().at + (at - this.atS) * 1000);
    this.#service.input({ kind: "event", messageId: messageId ?? `event-${index + 1}`, eventType, generated, traits });
  }

  #command({ command, direction, forS, source }: CommandAt): void {
    switch (command) {
      case "pause":
        this.#service.input({
          kind: "command",
          command,
          ...(direction === undefined ? {} : { direction }),
          ...(forS === undefined ? {} : { forS }),
        });
        return;
      case "resume":
        this.#service.input({ kind: "command", command, ...(direction === undefined ? {} : { direction }) });
        return;
      case "forget":
        if (source !== undefined) this.#service.forget(source);
    }
  }

  #end(): void {
    const { intervalMs, sources } = this.#scenario;
    for (const { downS, crash } of this.#scenario.restarts.filter((one) => this.#isNow(one))) {
      this.#service.end(crash);
      this.#receivers.hangUp();
      for (const source of this.#sources) source.forgetUnrecorded();
      if (downS >= intervalMs / 1000) {
        this.#beginsS = this.atS + downS;
        return;
      }
      const { lastOk } = this.#service.cluster;
      this.#service.start(this.#tick(), lastOk.size > 0 ? [...lastOk.keys()] : sources);
      this.#answer();
    }
  }

  #hear(decision: Decision): void {
    this.#journal.hear(this.atS, decision);
    if (decision.d === "send") this.#receivers.call(decision, this.atS, this.#service.cluster);
  }
}
