/** argv → command. The only file with process.exit and signal handlers. */

import { nodeTooOld } from "./lib/nodeVersion.ts";

const tooOld = nodeTooOld(process.versions.node);
if (tooOld !== undefined) {
  console.error(tooOld);
  process.exit(1);
}

// What the service writes is its owner's alone.
process.umask(0o077);

// Imported only now: an older Node cannot even load what follows.
const { runCli } = await import("./cli/program.ts");
const { confirmAt } = await import("./cli/confirm.ts");

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // The second one does not wait.
    if (stop.signal.aborted) process.exit(signal === "SIGINT" ? 130 : 143);
    stop.abort(signal);
  });
}
// A reader that went away (`tocsin … | head`) is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 70));

// What cannot be told must not end the service.
process.stderr.on("error", () => {});

process.exitCode = await runCli(process.argv.slice(2), {
  environment: process.env,
  cwd: process.cwd(),
  signal: stop.signal,
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  isTerminal: process.stdout.isTTY === true,
  logsToTerminal: process.stderr.isTTY === true,
  ...(process.stdin.isTTY && process.stderr.isTTY
    ? { confirm: (question: string) => confirmAt(question, process.stdin, process.stderr) }
    : {}),
});
process.exit();
