/** `tocsin lab`: the demonstration. */

import { runLab } from "../lab/lab.ts";
import { runScaleOut } from "../lab/scaleOut.ts";
import { systemClock } from "../lib/clock.ts";
import type { World } from "./context.ts";
import { EXIT } from "./context.ts";

export interface LabFlags {
  readonly keep?: boolean;
  readonly data?: string;
  readonly scaleOut?: boolean;
}

export async function lab(world: World, flags: LabFlags): Promise<number> {
  const { environment, out, err, signal } = world;
  const done = await (flags.scaleOut ? runScaleOut : runLab)({
    environment,
    clock: systemClock,
    out,
    signal,
    keep: flags.keep ?? false,
    folder: flags.data,
  }).catch((error: unknown) => {
    // Ctrl-C reaches what is only being started, too.
    if (signal.aborted) return false;
    throw error;
  });
  if (done) return EXIT.ok;
  err(
    signal.aborted
      ? "tocsin: the lab was ended before all had happened that should"
      : "tocsin: the lab gave up before all had happened that should",
  );
  return EXIT.findings;
}
