import { describe, it } from "vitest";
import { seedOfRun } from "../helpers/crashReport.ts";
import { randomFrom } from "../helpers/trueLoad.ts";
import { checkTruth } from "../helpers/truthCheck.ts";
import { runTruth, tellTruth } from "../helpers/truthRun.ts";

describe.runIf(process.env.TOCSIN_TEST_FULL)("what we counted over many reloads, against the load generator", () => {
  it.each([{ contstats: false }, { contstats: true }])(
    "20 reloads and 3 restarts, contstats $contstats",
    async (how) => {
      const seed = seedOfRun();
      const moments = { reloads: 20, restarts: 3, apartMs: [500, 8000] as const };
      const evidence = await runTruth({ ...moments, ...how, random: randomFrom(seed) });
      const facts = { reloads: 20, restarts: 3, contstats: how.contstats ? "on" : "off", seed };
      checkTruth(tellTruth("truth", evidence, facts));
    },
    300_000,
  );
});
