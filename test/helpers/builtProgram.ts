/** A program of ours, built: many processes of it start in half the time. */

import { copyFileSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "rolldown";
import { temporaryFolder } from "./sockets.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

export interface BuiltProgram extends Disposable {
  /** What to run. */
  readonly entry: string;
  /** Where Node keeps its compiled code. */
  readonly compiled: string;
}

/**
 * Builds a file, given from the project's root, with all that it imports, and the workers that it starts. `apart`:
 * packages stay what they are, for some load their parts by name.
 */
export async function buildProgram(file: string, packages: "within" | "apart"): Promise<BuiltProgram> {
  const folder = temporaryFolder();
  // The program reads its version there, and Node that these are modules.
  copyFileSync(join(ROOT, "package.json"), join(folder.path, "package.json"));
  if (packages === "apart") symlinkSync(join(ROOT, "node_modules"), join(folder.path, "node_modules"));
  const dir = join(folder.path, "built/program");
  const name = basename(file, ".ts");
  await build({
    cwd: ROOT,
    platform: "node",
    input: {
      [name]: file,
      stateWorker: "src/backend/sqlite/stateWorker.ts",
      metricsWorker: "src/backend/sqlite/metricsWorker.ts",
      worker: "src/query/worker.ts",
    },
    ...(packages === "apart" ? { external: /^[a-z@](?!:)/ } : {}),
    logLevel: "warn",
    output: { dir, format: "esm" },
  });
  return {
    entry: join(dir, `${name}.js`),
    compiled: join(folder.path, "compiled"),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}
