/** How the bus stands on the server, beside how it should. */

import type { StreamInfo } from "nats";
import type { NatsSettings, Role } from "../../../config/busSettings.ts";
import { apiErrorCode } from "../link/errors.ts";
import type { NatsLink } from "../link/link.ts";
import { retrying } from "../link/retry.ts";
import type { SetupRecord } from "./record.ts";
import { LAYOUT, readSetup } from "./record.ts";
import type { Difference, Wanted } from "./streams.ts";
import { ALL, differences, wantedStreams } from "./streams.ts";

/** One stream or bucket. */
export interface StreamFinding {
  readonly wanted: Wanted;
  readonly status: "ok" | "missing" | "differs";
  readonly differences: readonly Difference[];
  /** As the server has it; absent: it is missing. */
  readonly info?: StreamInfo;
}

/** What the bus says of itself, beside the settings. */
export interface SetupFinding {
  readonly status: "ok" | "missing" | "differs" | "garbled";
  readonly wanted: SetupRecord;
  readonly recorded?: SetupRecord;
  /** 0: nothing is recorded. */
  readonly revision: number;
}

export interface BusFindings {
  readonly streams: readonly StreamFinding[];
  readonly setup: SetupFinding;
}

/**
 * Looks at everything that processes of `roles` use; default: all. Waits out an election. Throws `E602` and `E603`
 * as `connectNats` does, the latter when nothing is answered for 20 s.
 */
export async function inspectBus(
  link: NatsLink,
  settings: NatsSettings,
  intervalMs: number,
  roles: readonly Role[] = ALL,
): Promise<BusFindings> {
  const own = wantedStreams(link.names, settings).filter((wanted) => wanted.roles.some((role) => roles.includes(role)));
  const streams: StreamFinding[] = [];
  for (const wanted of own) streams.push(await inspectStream(link, wanted));
  const wanted: SetupRecord = { version: LAYOUT, partitions: settings.partitions, intervalMs };
  return { streams, setup: await inspectSetup(link, wanted) };
}

/** One stream or bucket, as the server has it now. */
export async function inspectStream(link: NatsLink, wanted: Wanted): Promise<StreamFinding> {
  const info = await retrying(link, () => streamInfo(link, wanted.stream));
  if (info === undefined) return { wanted, status: "missing", differences: [] };
  const found = differences(wanted, { ...info.config, num_replicas: copiesOf(info) });
  return { wanted, status: found.length > 0 ? "differs" : "ok", differences: found, info };
}

/** Copies that there are: a server that is alone takes any number for its word, and keeps one. */
function copiesOf({ cluster }: StreamInfo): number {
  return cluster === undefined ? 1 : 1 + (cluster.replicas?.length ?? 0);
}

/** `undefined`: there is no such stream. */
async function streamInfo(link: NatsLink, name: string): Promise<StreamInfo | undefined> {
  try {
    return await link.jsm.streams.info(name);
  } catch (error) {
    if (apiErrorCode(error) === NO_SUCH_STREAM) return undefined;
    throw error;
  }
}

const NO_SUCH_STREAM = 10_059;

async function inspectSetup(link: NatsLink, wanted: SetupRecord): Promise<SetupFinding> {
  const found = await retrying(link, () => readSetup(link));
  if (found === undefined) return { status: "missing", wanted, revision: 0 };
  if (found === "garbled") return { status: "garbled", wanted, revision: 0 };
  const { record, revision } = found;
  const isSame =
    record.version === wanted.version &&
    record.partitions === wanted.partitions &&
    record.intervalMs === wanted.intervalMs;
  return { status: isSame ? "ok" : "differs", wanted, recorded: record, revision };
}
