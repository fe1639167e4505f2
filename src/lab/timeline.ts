/** What the lab prints: one line a second with the state of things, and one for each event. */

import type { Decision } from "../model/decision.ts";
import type { ServiceView } from "../serviceView.ts";

/** What of a service it shows. */
export type Seen = Pick<ServiceView, "clusters" | "alarms">;

const COLUMNS = "  time      load   per server  servers up  lane";

export class Timeline {
  readonly #out: (text: string) => void;
  readonly #elapsedMs: () => number;
  readonly #names = new Map<string, string>();

  constructor(out: (text: string) => void, elapsedMs: () => number) {
    this.#out = out;
    this.#elapsedMs = elapsedMs;
  }

  header(): void {
    this.#out(COLUMNS);
  }

  event(text: string): void {
    this.#out(`${this.#time()}  ${" ".repeat(10)}${text}`);
  }

  /** The state of things: bytes a second asked of the cluster, the value that the alarms read, servers, lane. */
  async state(load: number, view: Seen): Promise<void> {
    const [cluster] = await view.clusters();
    const alarm = (await view.alarms()).find(({ name }) => name === "scale_out_alarm");
    const up = Object.values(cluster?.servers ?? {}).filter((state) => state === "up").length;
    const value = alarm?.value === null || alarm === undefined ? "-" : kilobytes(alarm.value);
    this.#out(
      [
        this.#time(),
        kilobytes(load).padStart(8),
        value.padStart(11),
        String(up).padStart(10),
        `   ${cluster?.lane ?? "-"}`,
      ].join("  "),
    );
  }

  decision(decision: Decision): void {
    switch (decision.d) {
      case "transition":
        this.event(`alarm ${decision.name}: ${decision.from} -> ${decision.to} (${decision.reason})`);
        break;
      case "send":
        this.#names.set(decision.delivery, decision.receiver);
        this.event(`POST to ${decision.receiver}: ${decision.notification.reason}`);
        break;
      case "end":
        this.event(`${this.#names.get(decision.delivery) ?? decision.delivery}: ${decision.end} (${decision.reason})`);
        break;
      case "hold":
        this.event(`${decision.what} held by gate ${decision.gate}: ${decision.reason}`);
        break;
      case "effect":
        this.event(
          `effect of scale-${decision.direction} after ${decision.ticks} ticks: ${decision.effect} ${decision.servers.join(", ")}`,
        );
        break;
      case "source":
        this.event(`source ${decision.source}: ${decision.reason}`);
        break;
      case "release":
      case "cancel":
        this.event(`${decision.d}: ${decision.reason}`);
        break;
    }
  }

  #time(): string {
    const seconds = Math.floor(this.#elapsedMs() / 1000);
    return `${String(Math.floor(seconds / 60)).padStart(4)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

function kilobytes(bytesPerS: number): string {
  return `${(bytesPerS / 1000).toFixed(1)} kB/s`;
}
