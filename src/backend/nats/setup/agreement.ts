/** Whether the settings and what the bus was set up for agree, and what may be done about it. */

import type { NatsSettings, Role } from "../../../config/busSettings.ts";
import { TocsinError } from "../../../lib/errors.ts";
import { wait } from "../../../lib/wait.ts";
import { apiErrorCode } from "../link/errors.ts";
import type { NatsLink } from "../link/link.ts";
import { retrying } from "../link/retry.ts";
import type { SetupFinding, StreamFinding } from "./inspect.ts";
import { readSetup, writeSetup } from "./record.ts";

/** What is to be recorded, if anything. */
interface Recording {
  readonly step: { readonly name: string; readonly action: "record"; readonly details: readonly string[] };
  write(): Promise<void>;
}

/**
 * What is to be recorded of the settings; `undefined`: it is recorded so already. Another number of partitions only
 * when no process is there, another interval only while nothing is in the log. Throws `E605` and `E608`.
 */
export async function recordSetup(
  link: NatsLink,
  settings: NatsSettings,
  setup: SetupFinding,
  streams: readonly StreamFinding[],
): Promise<Recording | undefined> {
  const { status, wanted, recorded, revision } = setup;
  if (status === "ok") return undefined;
  const conflict = conflictOf(setup, ["engine"]);
  const isEmpty = (streams.find(({ wanted: { name } }) => name === link.names.log)?.info?.state.messages ?? 0) === 0;
  const isOtherShape = recorded !== undefined && recorded.version !== wanted.version;
  const isOtherTick = recorded !== undefined && recorded.intervalMs !== wanted.intervalMs;
  if (conflict && (status === "garbled" || isOtherShape || (isOtherTick && !isEmpty))) throw conflict;
  if (recorded !== undefined && (await isInhabited(link, settings, streams))) {
    const message = `${shown(setup)}, and processes are there: stop all of them, then run "tocsin bus setup"`;
    throw new TocsinError("E608", message);
  }
  const details = [
    `partitions ${change(recorded?.partitions, wanted.partitions)}`,
    `interval ${change(recorded && recorded.intervalMs / 1000, wanted.intervalMs / 1000)} s`,
  ];
  return {
    step: { name: link.names.setup, action: "record", details },
    async write() {
      if (recorded !== undefined) await forgetPlaces(link);
      if (await retrying(link, () => writeSetup(link, wanted, revision))) return;
      // Somebody was faster, or this very write came through unanswered: all is well if it says the same.
      const now = await retrying(link, () => readSetup(link));
      const same =
        typeof now === "object" &&
        now.record.version === wanted.version &&
        now.record.partitions === wanted.partitions &&
        now.record.intervalMs === wanted.intervalMs;
      if (!same)
        throw new TocsinError("E605", "the bus was just set up for other settings: look with tocsin bus check");
    },
  };
}

function change(from: number | undefined, to: number): string {
  return from === undefined || from === to ? String(to) : `${from} → ${to}`;
}

/** Why a process of these roles cannot work on the bus as it was set up; `undefined`: it can. */
export function conflictOf(setup: SetupFinding, roles: readonly Role[]): TocsinError | undefined {
  const { status, wanted, recorded } = setup;
  if (status === "garbled") {
    const message = `what the bus was set up for cannot be read: remove the bucket that holds it, then run "tocsin bus setup"`;
    return new TocsinError("E605", message);
  }
  if (recorded === undefined) return undefined;
  if (recorded.version !== wanted.version) {
    const message = `the bus was set up by another version of tocsin (layout ${recorded.version}, ours is ${wanted.version}): run that one, or set bus.nats.prefix`;
    return new TocsinError("E605", message);
  }
  const isOtherTick = recorded.intervalMs !== wanted.intervalMs && roles.some((role) => role !== "api");
  if (isOtherTick) {
    const message = `${shown(setup)}: ticks in the log are numbered by it. Set collector.interval back, or begin anew under another bus.nats.prefix`;
    return new TocsinError("E605", message);
  }
  // Processes that own nothing go by what the bus says.
  if (recorded.partitions === wanted.partitions || !roles.includes("engine")) return undefined;
  const message = `${shown(setup)}: set bus.nats.partitions back, or stop all processes and run "tocsin bus setup"`;
  return new TocsinError("E605", message);
}

function shown({ wanted, recorded }: SetupFinding): string {
  const [was, is] = [recorded, wanted].map(
    (one) =>
      `${one?.partitions} partition${one?.partitions === 1 ? "" : "s"} and an interval of ${(one?.intervalMs ?? 0) / 1000} s`,
  );
  return `the bus was set up for ${was}, and the settings say ${is}`;
}

/** Whether anybody says that they are there: judged by our own clock, for nobody's clock is right. */
async function isInhabited(
  link: NatsLink,
  { ttlMs }: NatsSettings,
  streams: readonly StreamFinding[],
): Promise<boolean> {
  const members = streams.find(({ wanted: { name } }) => name === link.names.members);
  const before = members?.info?.state;
  if (members === undefined || before === undefined || before.messages === 0) return false;
  await wait(link.clock, 2 * ttlMs);
  const { state } = await retrying(link, () => link.jsm.streams.info(members.wanted.stream));
  return state.last_seq !== before.last_seq;
}

/** Where clusters are has changed: owners of the old parts, and samples that were put there, mean nothing any more. */
async function forgetPlaces(link: NatsLink): Promise<void> {
  const { owners, samples, mappings } = link.names;
  const all = [
    { stream: `KV_${owners}` },
    { stream: samples },
    // What the parts knew of sources: the new owners say it anew.
    { stream: `KV_${mappings}`, filter: `$KV.${mappings}.known.>` },
  ];
  for (const { stream, filter } of all)
    await retrying(link, async () => {
      try {
        await link.jsm.streams.purge(stream, filter === undefined ? undefined : { filter });
      } catch (error) {
        if (apiErrorCode(error) !== 10_059) throw error;
      }
    });
}
