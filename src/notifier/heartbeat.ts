/**
 * A dead-man's switch: a URL that is called each minute while the service does its work, so that whoever listens there
 * can raise the alarm when the calls stop. It is called as soon as the service is well, and not while it is not.
 */

import { messageOf } from "../lib/errors.ts";
import { splitWebUrl } from "../lib/webUrl.ts";
import type { Clock, Logger, Timer } from "../ports.ts";
import { exchange } from "./exchange.ts";

export interface HeartbeatOptions {
  /** Read at each call, so that files with secrets may be replaced; its path is one. May throw. */
  readonly url: () => string;
  /** What of it may be told. */
  readonly shown: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** What is broken on the path from the sources to the notifier; empty: nothing is. */
  readonly troubles: () => readonly string[];
  readonly version: string;
}

const EVERY_MS = 60_000;
/** How soon a service that has recovered is noticed. */
const LOOK_MS = 1_000;
const TIMEOUT_MS = 10_000;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #abort = new AbortController();
  #timer: Timer | undefined;
  #calling: Promise<void> | undefined;
  /** What the last call failed of: told once for each change. */
  #failing: string | undefined;
  /** Why it is not called: told once for each change. */
  #withheld = "";

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  start(): void {
    this.#look();
  }

  /** Breaks off a call under way. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#abort.abort();
    await this.#calling;
  }

  #look(): void {
    const { clock, troubles } = this.#options;
    const isDue = this.#calling === undefined && this.#isWell(troubles());
    if (isDue)
      this.#calling = this.#call().finally(() => {
        this.#calling = undefined;
      });
    this.#timer = clock.after(isDue ? EVERY_MS : LOOK_MS, () => this.#look());
  }

  #isWell(troubles: readonly string[]): boolean {
    const { log, shown } = this.#options;
    const withheld = troubles.join("; ");
    if (withheld !== this.#withheld && withheld !== "")
      log.warn("heartbeat withheld", { url: shown, reasons: troubles });
    this.#withheld = withheld;
    return withheld === "";
  }

  async #call(): Promise<void> {
    const { clock, version, url } = this.#options;
    let failure: string | undefined;
    try {
      const { status } = await exchange(
        { method: "GET", url: urlOf(url()), headers: { "user-agent": `tocsin/${version}` } },
        { clock, timeoutMs: TIMEOUT_MS, signal: this.#abort.signal },
      );
      if (status < 200 || status > 299) failure = `answered ${status}`;
    } catch (error) {
      failure = messageOf(error);
    }
    if (!this.#abort.signal.aborted) this.#tell(failure);
  }

  #tell(failure: string | undefined): void {
    const { log, shown } = this.#options;
    if (failure === this.#failing) return;
    this.#failing = failure;
    const fields = { url: shown };
    if (failure === undefined) log.info("heartbeat works again", fields);
    else log.warn("heartbeat failed", { ...fields, reason: failure });
  }
}

function urlOf(text: string): URL {
  if (!splitWebUrl(text)) throw new Error("notifier.heartbeat_url is no http(s)://host[:port]/path");
  return new URL(text);
}
