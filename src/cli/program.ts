/** The command tree: words and flags; what a command does is in its own file. */

import { Command, CommanderError } from "commander";
import { parseHttpDate, systemClock } from "../lib/clock.ts";
import { messageOf, TocsinError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import type { AlarmView, DeliveryView, MetricView } from "../ports.ts";
import { alarmDetail, alarmTable } from "./alarm.ts";
import { check } from "./check.ts";
import type { World } from "./context.ts";
import { askService, EXIT, Exit, settingsOf } from "./context.ts";
import { run } from "./run.ts";
import { formatQuantity, formatTable } from "./table.ts";

interface Flags {
  readonly config?: string;
  readonly output?: string;
}

/** Runs a command line; the answer is the exit code. */
export async function runCli(argv: readonly string[], world: World): Promise<number> {
  let code: number = EXIT.ok;
  const program = build(world, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof Exit) return error.code;
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof TocsinError) {
      world.err(`tocsin: ${error.message} [${error.code}]`);
      return exitCodeOf(error.code);
    }
    world.err(`tocsin: a bug: ${error instanceof Error ? error.stack : messageOf(error)}`);
    return EXIT.bug;
  }
}

function exitCodeOf(code: string): number {
  if (code === "E401") return EXIT.unreachable;
  return code === "E303" || code === "E402" ? EXIT.refused : EXIT.findings;
}

function build(world: World, done: (code: number) => void): Command {
  const program = new Command("tocsin")
    .description("Alarms and autoscaling webhooks from HAProxy's statistics.")
    .option("--config <file>", "tocsin.yaml to use (default: $TOCSIN_CONFIG, ./tocsin.yaml, /etc/tocsin/tocsin.yaml)")
    .version(VERSION, "-V, --version", "print the version")
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ writeOut: (text) => world.out(text.trimEnd()), writeErr: (text) => world.err(text.trimEnd()) });
  const settings = () => settingsOf(world, program.opts<Flags>());

  program
    .command("run")
    .description("run the service: collect, evaluate, notify")
    .action(async () => done(await run(world, settings())));

  program
    .command("lab")
    .description("a demonstration on a real HAProxy: load, alarms, a receiver that scales it")
    .option("--keep", "leave it running at the end, until Ctrl-C")
    .option("--data <folder>", "keep the data folder there (default: a temporary one, removed at the end)")
    .action(async (flags: { keep?: boolean; data?: string }) => {
      // Loaded only when asked for: the service has no use for it.
      const { lab } = await import("./lab.ts");
      done(await lab(world, flags));
    });

  program
    .command("check")
    .description("check rule files: all mistakes, each with file:line:column and how to mend it")
    .argument("[path...]", "files and folders (default: rules.path of tocsin.yaml)")
    .action((paths: string[]) => done(check(world, settings(), paths)));

  const ask = async <T>(path: string): Promise<T> => (await askService(world, settings(), path)) as T;
  const print = (flags: Flags, value: unknown, table: () => string) => {
    if (flags.output === "json") world.out(JSON.stringify(value, null, 2));
    else if (flags.output === undefined || flags.output === "table") world.out(table());
    else {
      world.err(`tocsin: -o takes table or json, not ${flags.output}`);
      throw new Exit(EXIT.usage);
    }
  };
  const reading = (command: Command) => command.option("-o, --output <format>", "table or json", "table");

  const alarm = program.command("alarm").description("alarms of the running service");
  reading(alarm.command("list").description("all alarms with their states")).action(async (flags: Flags) => {
    const alarms = await ask<AlarmView[]>("/api/v1/alarms");
    print(flags, alarms, () => alarmTable(alarms, systemClock, parseHttpDate));
  });
  reading(alarm.command("show").description("all of one alarm").argument("<alarm>", "name or id")).action(
    async (nameOrId: string, flags: Flags) => {
      const found = await ask<AlarmView>(`/api/v1/alarms/${encodeURIComponent(nameOrId)}`);
      print(flags, found, () => alarmDetail(found));
    },
  );

  const metric = program.command("metric").description("meters of the running service");
  reading(metric.command("list").description("the newest value of every meter of every cluster")).action(
    async (flags: Flags) => {
      const metrics = await ask<MetricView[]>("/api/v1/metrics");
      const rows = metrics.map((one) => [
        one.cluster_name,
        one.meter_name,
        one.type,
        formatQuantity(one.value, one.unit),
        one.timestamp,
      ]);
      print(flags, metrics, () => formatTable(["CLUSTER", "METER", "TYPE", "VALUE", "TIMESTAMP"], rows));
    },
  );

  const delivery = program.command("delivery").description("what was sent to receivers, and what became of it");
  reading(delivery.command("list").description("the newest deliveries"))
    .option("--limit <n>", "how many at most", "50")
    .action(async (flags: Flags & { limit: string }) => {
      const deliveries = await ask<DeliveryView[]>(`/api/v1/deliveries?limit=${encodeURIComponent(flags.limit)}`);
      const rows = deliveries.map((one) => [
        one.created_at,
        one.alarm_name,
        one.receiver,
        `${one.previous} -> ${one.current}`,
        `${one.transition}.${one.repeat}`,
        one.status,
        String(one.attempts),
        one.reason,
      ]);
      print(flags, deliveries, () =>
        formatTable(["CREATED", "ALARM", "RECEIVER", "STATE", "SEND", "STATUS", "ATTEMPTS", "REASON"], rows),
      );
    });

  program
    .command("version")
    .description("print the version")
    .action(() => world.out(VERSION));
  return program;
}
