/** The command tree: words and flags of what needs no running service; the rest is in service.ts. */

import { Command, CommanderError } from "commander";
import type { Settings } from "../config/settings.ts";
import { systemClock } from "../lib/clock.ts";
import { messageOf, TocsinError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import type { BusFlags } from "./bus.ts";
import { check } from "./check.ts";
import type { CollectFlags } from "./collect.ts";
import type { SettingsFlags, Shape, World } from "./context.ts";
import { askService, EXIT, Exit, settingsOf } from "./context.ts";
import type { LabFlags } from "./lab.ts";
import { printable } from "./printable.ts";
import { run } from "./run.ts";
import { addServiceCommands } from "./service.ts";
import type { Talk } from "./talk.ts";

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
      world.err(printable(`tocsin: ${error.message} [${error.code}]`));
      return exitCodeOf(error.code);
    }
    const text = error instanceof Error ? error.stack || `${error.name} ${messageOf(error)}` : messageOf(error);
    world.err(`tocsin: a bug: ${text}`);
    return EXIT.bug;
  }
}

/** What the service, or another one, does not let happen. */
const REFUSED: ReadonlySet<string> = new Set([
  "E303",
  "E402",
  "E403",
  "E404",
  "E406",
  "E407",
  "E408",
  "E409",
  "E410",
  "E411",
  "E412",
  "E413",
  "E414",
  "E415",
]);

function exitCodeOf(code: string): number {
  if (code === "E401") return EXIT.unreachable;
  if (code === "E405") return EXIT.usage;
  return REFUSED.has(code) ? EXIT.refused : EXIT.findings;
}

function build(world: World, done: (code: number) => void): Command {
  const program = new Command("tocsin")
    .description("Alarms and autoscaling webhooks from HAProxy's statistics.")
    .option("--config <file>", "tocsin.yaml to use (default: $TOCSIN_CONFIG, ./tocsin.yaml, /etc/tocsin/tocsin.yaml)")
    .version(VERSION, "-V, --version", "print the version")
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ writeOut: (text) => world.out(text.trimEnd()), writeErr: (text) => world.err(text.trimEnd()) });
  const settings = (flags: SettingsFlags = {}) =>
    settingsOf(world, { ...program.opts<{ config?: string }>(), ...flags });
  addWork(program, world, settings, done);
  const talk: Talk = {
    ask: async <T>(path: string, shape: Shape, timeoutMs?: number) =>
      (await askService(world, settings, path, shape, undefined, timeoutMs)) as T,
    tell: async <T>(path: string, shape: Shape, body: object, timeoutMs?: number) =>
      (await askService(world, settings, path, shape, body, timeoutMs)) as T,
    warn: (text) => world.err(printable(text)),
    reading: (command) => command.option("-o, --output <format>", "table or json", "table"),
    print(flags, value, table) {
      if (flags.output === "json") world.out(printable(JSON.stringify(value, null, 2)));
      else if (flags.output === undefined || flags.output === "table") world.out(printable(table()));
      else {
        world.err(`tocsin: -o takes table or json, not ${flags.output}`);
        throw new Exit(EXIT.usage);
      }
    },
    say: (text) => world.out(printable(text)),
    write: world.out,
    isPlain: !showsUnicode(world.environment),
    confirm: world.confirm,
  };
  addServiceCommands(program, talk);
  program
    .command("version")
    .description("print the version")
    .action(() => world.out(VERSION));
  return program;
}

/** By the locale, as terminals are asked of old. */
function showsUnicode({ LC_ALL, LC_CTYPE, LANG }: World["environment"]): boolean {
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || "");
}

/** Commands that need no running service. */
function addWork(
  program: Command,
  world: World,
  settings: (flags?: SettingsFlags) => Settings,
  done: (code: number) => void,
): void {
  program
    .command("run")
    .description("run the service: collect, evaluate, notify")
    .option("--strict", "do not start with a broken rule file")
    .option(
      "--role <roles>",
      "only these of collector, engine, api; the others run elsewhere (default: roles of tocsin.yaml)",
    )
    .action(async ({ role, ...flags }: { strict?: boolean; role?: string }) =>
      done(await run(world, settings({ isService: true, role }), flags)),
    );

  program
    .command("lab")
    .description("a demonstration on a real HAProxy: load, alarms, a receiver that scales it")
    .option("--keep", "leave it running at the end, until Ctrl-C")
    .option("--data <folder>", "keep the data folder there (default: a temporary one, removed at the end)")
    .option("--scale-out", "with NATS, InfluxDB, two engines and an agent; the engine that works is killed")
    .action(async (flags: LabFlags) => {
      // Loaded only when asked for: the service has no use for it.
      const { lab } = await import("./lab.ts");
      done(await lab(world, flags));
    });

  program
    .command("check")
    .description("check rule files: all mistakes, each with file:line:column and how to mend it")
    .argument("[path...]", "files and folders (default: rules.path of tocsin.yaml)")
    .action((paths: string[]) => done(check(world, settings({ isService: true }), paths)));

  program
    .command("collect")
    .description("ask the sources now, without a service: what clusters are doing, until Ctrl-C")
    .option("--once", "ask every source once: the gauges of each cluster")
    .option("--explain", "with --once: who answers, which row goes to which cluster by which rule, and which to none")
    .option("-o, --output <format>", "table or json", "table")
    .action(async (flags: CollectFlags) => {
      const { collect } = await import("./collect.ts");
      done(await collect(world, settings(), flags, systemClock));
    });

  addBus(program, world, settings, done);

  program
    .command("test")
    .description("play the tests of rule files, NAME.test.yaml beside NAME.yaml, without a service")
    .argument("[path...]", "files and folders (default: rules.path of tocsin.yaml)")
    .option("--run <name>", "only the tests whose name this text or glob fits")
    .action(async (paths: string[], flags: { run?: string }) => {
      const { test } = await import("./test.ts");
      done(test(world, settings(), paths, flags, systemClock));
    });
}

/** Commands about the bus: they speak with NATS, not with a service. */
function addBus(
  program: Command,
  world: World,
  settings: (flags?: SettingsFlags) => Settings,
  done: (code: number) => void,
): void {
  const bus = program.command("bus").description("the bus between processes: NATS JetStream");
  bus
    .command("check")
    .description("whether NATS has all that is needed, as it must be; who is there, and who works on what")
    .option("-o, --output <format>", "table or json", "table")
    .option("--json", "the same as -o json")
    .action(async (flags: BusFlags) => {
      const { busCheck } = await import("./bus.ts");
      done(await busCheck(world, settings(), flags));
    });
  bus
    .command("setup")
    .description("make in NATS what is missing, and change what the settings say otherwise")
    .option("--dry-run", "say what would be done, and do nothing")
    .option("-o, --output <format>", "table or json", "table")
    .option("--json", "the same as -o json")
    .action(async (flags: BusFlags) => {
      const { busSetup } = await import("./bus.ts");
      done(await busSetup(world, settings(), flags));
    });
}
