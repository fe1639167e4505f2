/** Commands that speak with the running service: words and flags; what is printed is in files of their own. */

import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { parseRfc3339, rfc3339, systemClock } from "../lib/clock.ts";
import { parseDurationS } from "../lib/durations.ts";
import type { Decision } from "../model/decision.ts";
import type { Explanation } from "../model/explanation.ts";
import type { AlarmView, ClusterView, DeliveryView } from "../serviceView.ts";
import { alarmDetail, alarmTable } from "./alarm.ts";
import type { Shape } from "./context.ts";
import type { Sent, Traits } from "./event.ts";
import { addTrait, sentText } from "./event.ts";
import { explainText, historyTable, lacksSends, latenessText } from "./explain.ts";
import { parseInstant } from "./instant.ts";
import { addLedgerCommands, DELIVERIES } from "./ledger.ts";
import { addMetrics } from "./metric.ts";
import type { PauseRequest } from "./pause.ts";
import { clusterTable, pausedText, resumedText } from "./pause.ts";
import type { Forgotten, SourceRow } from "./source.ts";
import { forgottenText, sourceTable } from "./source.ts";
import type { Flags, Talk } from "./talk.ts";
import { limitOf, MOST_ROWS } from "./talk.ts";

const ALARMS: Shape = { listOf: "alarm_id" };
const CLUSTER: Shape = { of: "cluster_id" };
const CLUSTERS: Shape = { listOf: "cluster_id" };

/** Adds them all. */
export function addServiceCommands(program: Command, talk: Talk): void {
  addAlarms(program, talk);
  addClusters(program, talk);
  addSources(program, talk);
  addMetrics(program, talk);
  addLedgerCommands(program, talk);
  addEvents(program, talk);
}

function addAlarms(program: Command, { ask, reading, print, warn }: Talk): void {
  const alarm = program.command("alarm").description("alarms of the running service");
  const pathOf = (nameOrId: string) => `/api/v1/alarms/${encodeURIComponent(nameOrId)}`;

  reading(alarm.command("list").description("all alarms with their states")).action(async (flags: Flags) => {
    const alarms = await ask<AlarmView[]>("/api/v1/alarms", ALARMS);
    print(flags, alarms, () => alarmTable(alarms, systemClock, parseRfc3339));
  });

  reading(alarm.command("show").description("all of one alarm").argument("<alarm>", "name or id")).action(
    async (nameOrId: string, flags: Flags) => {
      const found = await ask<AlarmView>(pathOf(nameOrId), { of: "alarm_id" });
      const isAlone = flags.output === "json" || !found.composite_rule;
      const all = isAlone ? [] : await ask<AlarmView[]>("/api/v1/alarms", ALARMS);
      print(flags, found, () =>
        alarmDetail(
          found,
          all.filter((one) => one.cluster_id === found.cluster_id),
        ),
      );
    },
  );

  reading(alarm.command("explain").description("why an alarm stands, or stood, where it does"))
    .argument("<alarm>", "name or id")
    .option("--at <time>", "RFC 3339, the last 14:03 or 14:03:20 of the local clock, or how long ago: 10m", instantOf)
    .action(async (nameOrId: string, flags: Flags & { at?: number }) => {
      const query = flags.at === undefined ? "" : `?at=${encodeURIComponent(rfc3339(flags.at))}`;
      const explanation = await ask<Explanation>(`${pathOf(nameOrId)}/explain${query}`, { of: "tick" });
      if (
        flags.at !== undefined &&
        flags.at >= parseRfc3339(explanation.tick.timestamp) + explanation.tick.interval * 1000
      ) {
        const clusters = await ask<ClusterView[]>("/api/v1/clusters", CLUSTERS);
        const newest = clusters.find((one) => one.cluster_id === explanation.cluster_id)?.timestamp ?? null;
        warn(latenessText(explanation, newest));
      }
      print(flags, explanation, () => explainText(explanation));
    });

  reading(alarm.command("history").description("what was decided about an alarm, the newest first"))
    .argument("<alarm>", "name or id")
    .option("--limit <n>", "how many at most: 1 to 1000", limitOf, 50)
    .action(async (nameOrId: string, flags: Flags & { limit: number }) => {
      const decisions = await ask<Decision[]>(`${pathOf(nameOrId)}/history?limit=${flags.limit}`, { listOf: "d" });
      const isWhole = flags.output === "json" || !lacksSends(decisions);
      const deliveries = isWhole ? [] : await ask<DeliveryView[]>(`/api/v1/deliveries?limit=${MOST_ROWS}`, DELIVERIES);
      print(flags, decisions, () => historyTable(decisions, deliveries));
    });
}

function instantOf(text: string): number {
  const at = parseInstant(text, systemClock.now());
  if (at === undefined)
    throw new InvalidArgumentError("it is a time: 2026-11-21T00:53:09Z, 14:03, or 10m for 10m ago.");
  if (at > systemClock.now()) throw new InvalidArgumentError(`it is in the future: ${rfc3339(at)}.`);
  return at;
}

function addClusters(program: Command, { ask, tell, reading, print, say }: Talk): void {
  const pathOf = (nameOrId: string) => `/api/v1/clusters/${encodeURIComponent(nameOrId)}`;
  const direction = () => new Option("--direction <direction>", "only that (default: both)").choices(["in", "out"]);

  const cluster = program.command("cluster").description("clusters of the running service");
  reading(cluster.command("list").description("servers, scaling and pauses of all clusters")).action(
    async (flags: Flags) => {
      const clusters = await ask<ClusterView[]>("/api/v1/clusters", CLUSTERS);
      const alarms = flags.output === "json" ? [] : await ask<AlarmView[]>("/api/v1/alarms", ALARMS);
      print(flags, clusters, () => clusterTable(clusters, alarms, systemClock, parseRfc3339));
    },
  );

  program
    .command("pause")
    .description("hold a cluster's scaling: alarms are judged, and nothing that scales is sent")
    .argument("<cluster>", "name or id")
    .addOption(direction())
    .option("--for <duration>", "for so long, e.g. 2h (default: until it is resumed)", durationOf)
    .action(async (nameOrId: string, flags: PauseRequest) => {
      say(pausedText(await tell<ClusterView>(`${pathOf(nameOrId)}/pause`, CLUSTER, flags), flags));
    });

  program
    .command("resume")
    .description("end a pause")
    .argument("<cluster>", "name or id")
    .addOption(direction())
    .action(async (nameOrId: string, flags: PauseRequest) => {
      say(resumedText(await tell<ClusterView>(`${pathOf(nameOrId)}/resume`, CLUSTER, flags), flags));
    });
}

/** The text itself: the service reads it. */
function durationOf(text: string): string {
  if (!parseDurationS(text)) throw new InvalidArgumentError("it is a duration above 0: 90s, 2h, 1h30m.");
  return text;
}

function addSources(program: Command, { ask, tell, reading, print, say }: Talk): void {
  const source = program.command("source").description("HAProxy's sockets as the running service sees them");
  reading(source.command("list").description("whether each answers, and who waits for it")).action(
    async (flags: Flags) => {
      const sources = await ask<SourceRow[]>("/api/v1/sources", { listOf: "clusters" });
      print(flags, sources, () => sourceTable(sources));
    },
  );

  source
    .command("forget")
    .description("wait no longer for a source that is gone: until it answers again")
    .argument("<source>", "its name, as `source list -o json` has it")
    .option("--cluster <cluster>", "only in that cluster, by name or id")
    .action(async (name: string, flags: { cluster?: string }) => {
      say(
        forgottenText(await tell<Forgotten>("/api/v1/sources/forget", { of: "clusters" }, { source: name, ...flags })),
      );
    });
}

function addEvents(program: Command, { tell, say }: Talk): void {
  program
    .command("event")
    .description("events for the alarms of type event")
    .command("send")
    .description("tell the running service what happened")
    .argument("<type>", "e.g. deploy.started")
    .option(
      "--trait <name=value>",
      "what is known of it, also several times; cluster_id=ID tells that cluster alone",
      addTrait,
    )
    .action(async (type: string, flags: { trait?: Traits }) => {
      say(
        sentText(
          await tell<Sent>("/api/v1/events", { of: "message_id" }, { event_type: type, traits: flags.trait ?? {} }),
        ),
      );
    });
}
