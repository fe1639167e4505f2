/** `tocsin bus check|setup`: the streams and buckets of the bus, and who is there. */

import type { BusReport, SetupStep } from "../busNow.ts";
import { checkBusNow, setupBusNow } from "../busNow.ts";
import type { Settings } from "../config/settings.ts";
import { systemClock } from "../lib/clock.ts";
import type { World } from "./context.ts";
import { EXIT, Exit } from "./context.ts";
import { printable } from "./printable.ts";
import { formatQuantity, formatTable } from "./table.ts";

export interface BusFlags {
  readonly output?: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
}

/** Resolves to the exit code: 1 when there is something that somebody should look at. */
export async function busCheck(world: World, settings: Settings, flags: BusFlags): Promise<number> {
  const isJson = asJson(world, flags);
  const report = await checkBusNow({ settings, environment: world.environment, clock: systemClock });
  world.out(printable(isJson ? JSON.stringify(report, null, 2) : reportText(report)));
  return report.findings.length > 0 ? EXIT.findings : EXIT.ok;
}

/** Resolves to the exit code. */
export async function busSetup(world: World, settings: Settings, flags: BusFlags): Promise<number> {
  const isJson = asJson(world, flags);
  const { dryRun = false } = flags;
  const steps = await setupBusNow({ settings, environment: world.environment, clock: systemClock }, dryRun);
  world.out(printable(isJson ? JSON.stringify(steps, null, 2) : stepsText(steps, dryRun)));
  return EXIT.ok;
}

function asJson(world: World, { output = "table", json = false }: BusFlags): boolean {
  if (output === "table" || output === "json") return json || output === "json";
  world.err(`tocsin: -o takes table or json, not ${output}`);
  throw new Exit(EXIT.usage);
}

/** Longest list of partitions of one process, characters. */
const MOST_OF_PARTITIONS = 40;

/** The whole of it for a person. */
export function reportText(report: BusReport): string {
  const { setup, streams, members, partitions, log, findings } = report;
  const parts = [
    `${report.servers.join(", ")}, prefix ${report.prefix}${setup ? `: partitions ${setup.partitions}, interval ${setup.interval_s} s` : ""}`,
    formatTable(
      ["STREAM", "STATE", "MESSAGES", "SIZE", "OF", "COPIES", "READERS", "LAG"],
      streams.map(({ name, status, messages, bytes, max_bytes: most, copies, copies_behind: behind, readers, lag }) => [
        name,
        status,
        String(messages),
        formatQuantity(bytes, "B"),
        most === null ? "-" : formatQuantity(most, "B"),
        behind > 0 ? `${copies - behind} of ${copies}` : String(copies),
        String(readers),
        String(lag),
      ]),
    ),
    `The log has ${counted(log.messages, "message")} of ${counted(log.clusters, "cluster")}, ${formatQuantity(log.bytes, "B")}.`,
    members.length === 0 ? "Nobody is there." : memberTable(report),
  ];
  const idle = partitions.filter(({ alive }) => !alive).length;
  if (idle > 0)
    parts.push(`${idle} of ${counted(partitions.length, "partition")} ${idle === 1 ? "is" : "are"} nobody's.`);
  return [...parts, findings.length === 0 ? "All is well." : findings.map((one) => `! ${one}`).join("\n")].join("\n\n");
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function memberTable({ members, partitions }: BusReport): string {
  const rows = members.map(({ id, roles, host, version, ready, alive }) => {
    const own = partitions.filter(({ owner }) => owner === id).map(({ partition }) => partition);
    return [id, alive ? (ready ? "ready" : "starting") : "gone", roles.join(","), host, version, ranges(own) || "-"];
  });
  return formatTable(["PROCESS", "STATE", "ROLES", "HOST", "VERSION", "PARTITIONS"], rows);
}

/** `0-3, 7`; of many the first, and how many there are. */
function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  const shown = runs.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(", ");
  if (shown.length <= MOST_OF_PARTITIONS) return shown;
  return `${shown.slice(0, shown.lastIndexOf(",", MOST_OF_PARTITIONS))}, … (${numbers.length})`;
}

function stepsText(steps: readonly SetupStep[], isDryRun: boolean): string {
  if (steps.length === 0) return "Nothing to do: the bus is set up.";
  const done = { create: "created", update: "changed", record: "recorded" };
  const coming = { create: "would create", update: "would change", record: "would record" };
  return steps
    .map(({ name, action, details }) => {
      const head = `${(isDryRun ? coming : done)[action]} ${name}`;
      return details.length === 0 ? head : `${head}: ${details.join("; ")}`;
    })
    .join("\n");
}
