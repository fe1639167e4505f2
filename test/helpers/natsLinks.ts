/** Connections to a server of a test, that end with it; and the fakes that stand for a whole service on it. */

import type { NatsLink } from "../../src/backend/nats/link/link.ts";
import { connectNats } from "../../src/backend/nats/link/link.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Logger } from "../../src/ports.ts";
import type { Coordination, Member } from "../../src/scalePorts.ts";
import type { NatsNode } from "./natsServer.ts";
import { natsSettings } from "./natsSettings.ts";

/** Connects; what it logs goes to `lines`, as `level text field=value …`. */
export async function aLink({ url }: Pick<NatsNode, "url">, lines: string[] = []): Promise<NatsLink & AsyncDisposable> {
  const say =
    (level: string) =>
    (text: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void lines.push(
        [`${level} ${text}`, ...Object.entries(fields).map(([name, value]) => `${name}=${value}`)].join(" "),
      );
  const log: Logger = { debug: () => {}, info: say("info"), warn: say("warn"), error: say("error") };
  const link = await connectNats({
    settings: natsSettings([url]),
    name: "a test",
    environment: {},
    clock: systemClock,
    log,
  });
  return Object.assign(link, { [Symbol.asyncDispose]: () => link.close() });
}

/** Who is there and who owns what, as a test says. */
export class FakeCoordination implements Coordination {
  readonly id: string;
  readonly partitions: number;
  readonly owners = new Map<number, string>();
  alive: Member[] = [];

  constructor(id: string, partitions: number) {
    this.id = id;
    this.partitions = partitions;
  }

  /** Engines that are there and ready; partitions are theirs in turn. */
  engines(...ids: readonly string[]): void {
    this.alive = ids.map((id) => aMember(id));
    this.owners.clear();
    for (let partition = 0; partition < this.partitions; partition++) {
      const owner = ids[partition % ids.length];
      if (owner !== undefined) this.owners.set(partition, owner);
    }
  }

  members = () => this.alive;
  ownerOf = (partition: number) => this.owners.get(partition);
  isFresh = () => true;
  offsetMs = () => 0;
  begin() {}
  reload() {}
  async leave() {}
}

export function aMember(id: string, own: Partial<Member> = {}): Member {
  return { id, isReady: true, roles: ["engine"], host: "h", version: "1", ...own };
}
