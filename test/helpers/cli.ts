import { runCli } from "../../src/cli/program.ts";
import type { Finished } from "./service.ts";

/** Runs a command of the program within the test: as `tocsin` does, without the time that a process takes. */
export async function command(
  args: readonly string[],
  options: { cwd: string; env?: Readonly<Record<string, string>>; confirm?: (question: string) => Promise<boolean> },
): Promise<Finished> {
  const said = { out: "", err: "" };
  const code = await runCli(args, {
    environment: { ...options.env },
    cwd: options.cwd,
    signal: new AbortController().signal,
    out: (text) => {
      said.out += `${text}\n`;
    },
    err: (text) => {
      said.err += `${text}\n`;
    },
    isTerminal: false,
    ...(options.confirm === undefined ? {} : { confirm: options.confirm }),
    logsToTerminal: false,
  });
  return { code, ...said };
}
