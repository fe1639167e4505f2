/** Makes the streams and buckets of the bus, and sees that a process finds them as it needs them. */

import type { StreamConfig } from "nats";
import type { NatsSettings, Role } from "../../../config/busSettings.ts";
import { messageOf, TocsinError } from "../../../lib/errors.ts";
import { wait } from "../../../lib/wait.ts";
import { apiErrorCode } from "../link/errors.ts";
import type { NatsLink } from "../link/link.ts";
import { retrying } from "../link/retry.ts";
import { conflictOf, recordSetup } from "./agreement.ts";
import type { BusFindings, StreamFinding } from "./inspect.ts";
import { inspectBus, inspectStream } from "./inspect.ts";
import type { SetupRecord } from "./record.ts";
import type { Difference } from "./streams.ts";

/** One thing that was done, or would be. */
export interface SetupStep {
  readonly name: string;
  readonly action: "create" | "update" | "record";
  /** Why; empty: it was missing. */
  readonly details: readonly string[];
}

export interface SetupOptions {
  /** Nothing is done; the steps are those that would be taken. */
  readonly isDryRun?: boolean;
}

/**
 * Makes what is missing, changes what may be changed, and reads all of it back. Nothing to do: no steps. Throws `E604`
 * when the server does not have it as it must be, `E605` when the bus was set up for other settings, `E608` when that
 * could be changed, and processes are there.
 */
export async function setupBus(
  link: NatsLink,
  settings: NatsSettings,
  intervalMs: number,
  { isDryRun = false }: SetupOptions = {},
): Promise<readonly SetupStep[]> {
  const { streams, setup } = await inspectBus(link, settings, intervalMs);
  for (const finding of streams) refuseFixed(finding);
  const steps: SetupStep[] = [];
  // Before anything is changed: a bus that is another's stays as it is.
  const recording = await recordSetup(link, settings, setup, streams);
  for (const finding of streams) {
    const step = stepOf(finding);
    if (step === undefined) continue;
    steps.push(step);
    if (!isDryRun) await apply(link, finding, step);
  }
  if (recording) {
    steps.push(recording.step);
    if (!isDryRun) await recording.write();
  }
  return steps;
}

/** What the bus was set up for: processes that are no engines go by it. */
export type Agreed = SetupRecord;

/**
 * What a process does before it begins to work: an engine sets up a bus that there is nothing of yet; everybody sees
 * that all they use is as it must be. Differences that do no harm are logged. Throws `E604` and `E605` as `setupBus`
 * does, `E606` when the bus is not set up.
 */
export async function ensureBus(
  link: NatsLink,
  settings: NatsSettings,
  intervalMs: number,
  roles: readonly Role[],
): Promise<Agreed> {
  let findings = await inspectBus(link, settings, intervalMs, roles);
  if (roles.includes("engine") && isWhollyMissing(findings)) {
    const steps = await setupBus(link, settings, intervalMs);
    const made = steps.filter(({ action }) => action === "create").map(({ name }) => name);
    if (steps.length > 0) link.log.info("bus set up", { prefix: link.names.prefix, made });
    findings = await inspectBus(link, settings, intervalMs, roles);
  }
  const { streams, setup } = findings;
  const missing = streams.filter(({ status }) => status === "missing").map(({ wanted }) => wanted.name);
  if (missing.length > 0 || setup.status === "missing") {
    const what = missing.length > 0 ? `${missing.join(", ")} missing` : "nothing recorded";
    throw new TocsinError("E606", `the bus is not set up in NATS (${what}): run "tocsin bus setup"`);
  }
  for (const finding of streams) {
    const grave = finding.differences.filter(({ isMild }) => !isMild);
    if (grave.length > 0) throw differing(finding, grave);
    if (finding.differences.length === 0) continue;
    const details = finding.differences.map(detailOf);
    link.log.warn("bus set up otherwise: run tocsin bus setup", { name: finding.wanted.name, details });
  }
  const conflict = conflictOf(setup, roles);
  if (conflict) throw conflict;
  return setup.recorded ?? setup.wanted;
}

function isWhollyMissing({ streams, setup }: BusFindings): boolean {
  // Two engines that begin together both come here: what one has made meanwhile is no obstacle to the other. A log that
  // nobody knows the interval of is one: its ticks are numbered by it.
  const isEmpty = streams.every(({ wanted, info }) => wanted.kind === "bucket" || (info?.state.messages ?? 0) === 0);
  return setup.status === "missing" && isEmpty && streams.every(({ differences: found }) => found.length === 0);
}

function stepOf({ wanted, status, differences: found }: StreamFinding): SetupStep | undefined {
  if (status === "ok") return undefined;
  if (status === "missing") return { name: wanted.name, action: "create", details: [] };
  return { name: wanted.name, action: "update", details: found.map(detailOf) };
}

async function apply(link: NatsLink, finding: StreamFinding, { action }: SetupStep): Promise<void> {
  const { wanted, info } = finding;
  const { stream: name, config } = wanted;
  const { streams } = link.jsm;
  try {
    await retrying(link, async () => {
      if (action === "create") await streams.add({ name, ...config });
      else await streams.update(name, { ...info?.config, ...config } as StreamConfig);
    });
  } catch (error) {
    throw refusal(wanted.name, action, error);
  }
  // What a server does not know it leaves out without a word.
  const made = await settled(link, finding);
  if (made.status === "missing") throw new TocsinError("E604", `${wanted.name} is gone as soon as it was made`);
  if (made.differences.length > 0) throw ignored(made);
}

/** As it is when it has its copies: a cluster finds places for them one after the other. */
async function settled(link: NatsLink, { wanted }: StreamFinding): Promise<StreamFinding> {
  for (let looks = 0; ; looks++) {
    const finding = await inspectStream(link, wanted);
    const isGrowing = finding.differences.some(({ flag }) => flag === "num_replicas");
    if (!isGrowing || link.nc.info?.cluster === undefined || looks === MOST_LOOKS) return finding;
    await wait(link.clock, LOOK_MS);
  }
}

const MOST_LOOKS = 20;
const LOOK_MS = 250;

function refusal(name: string, action: string, error: unknown): unknown {
  const code = apiErrorCode(error);
  if (code === undefined) return error;
  const mend = MENDS[code] ?? "";
  return new TocsinError("E604", `NATS does not ${action} ${name}: ${messageOf(error)}${mend}`, { cause: error });
}

/** What to do about JetStream's refusals. */
const MENDS: Readonly<Record<number, string>> = {
  10005: ": bus.nats.replicas asks for more servers than there are",
  10028: ": raise max_memory_store of the server",
  10047: ": raise max_file_store of the server, or lower max_bytes of bus.nats.log and samples",
  10065: ": another stream has its subjects; set bus.nats.prefix, or remove that",
  10074: ": set bus.nats.replicas to 1, or make a cluster of the servers",
};

/** What cannot be changed on a stream that is there. */
function refuseFixed(finding: StreamFinding): void {
  const fixed = finding.differences.filter(({ canChange }) => !canChange);
  if (fixed.length > 0) throw differing(finding, fixed);
  // It would say yes, and keep one all the same.
  const copies = finding.differences.filter(({ flag }) => flag === "num_replicas");
  if (copies.length > 0 && finding.info?.cluster === undefined) throw ignored({ ...finding, differences: copies });
}

/** The server answered that all was well, and has it otherwise. */
function ignored({ wanted, differences: found }: StreamFinding): TocsinError {
  const isCopies = found.every(({ flag }) => flag === "num_replicas");
  const mend = isCopies
    ? "set bus.nats.replicas to what its servers can keep"
    : "its version does not know that: use a newer one";
  return new TocsinError("E604", `NATS keeps ${wanted.name} otherwise: ${found.map(detailOf).join("; ")}: ${mend}`);
}

function differing({ wanted }: StreamFinding, found: readonly Difference[]): TocsinError {
  const mend = found.every(({ canChange }) => canChange)
    ? 'run "tocsin bus setup"'
    : "that cannot be changed: remove it (what it holds is lost), or set bus.nats.prefix";
  return new TocsinError("E604", `${wanted.kind} ${wanted.name} in NATS: ${found.map(detailOf).join("; ")}: ${mend}`);
}

/** `max_age is 10m, wanted 1h`. */
export function detailOf({ flag, is, wanted }: Difference): string {
  return `${flag} is ${is}, wanted ${wanted}`;
}
