/** `tocsin lab`: the demonstration. */

import { runLab } from "../lab/lab.ts";
import { systemClock } from "../lib/clock.ts";
import type { World } from "./context.ts";
import { EXIT } from "./context.ts";

export async function lab(world: World, flags: { readonly keep?: boolean; readonly data?: string }): Promise<number> {
  const { environment, out, err, signal } = world;
  const done = await runLab({
    environment,
    clock: systemClock,
    out,
    signal,
    keep: flags.keep ?? false,
    folder: flags.data,
  });
  if (done) return EXIT.ok;
  err(
    signal.aborted
      ? "tocsin: the lab was ended before both actions had taken effect"
      : "tocsin: the lab gave up before both actions had taken effect",
  );
  return EXIT.findings;
}
