import { describe, it } from "vitest";
import { seedOfRun } from "../helpers/crashReport.ts";
import { randomFrom } from "../helpers/trueLoad.ts";
import { checkTruth } from "../helpers/truthCheck.ts";
import { runTruth, tellTruth } from "../helpers/truthRun.ts";

describe("what we counted, against a load generator that counts for itself", () => {
  it("3 reloads and a restart under steady load", async () => {
    const seed = seedOfRun();
    const evidence = await runTruth({ reloads: 3, restarts: 1, apartMs: [1000, 2200], random: randomFrom(seed) });
    checkTruth(tellTruth("truth", evidence, { reloads: 3, restarts: 1, seed }));
  }, 60_000);

  it("a herd that comes back to a process just begun makes no spike", async () => {
    const herd = { kind: "short", connections: 150, bytes: 300, overMs: 700, pauseMs: 0, perConnection: 50 } as const;
    const moments = { reloads: 0, restarts: 2, apartMs: [1700, 1700] as const, beforeTickMs: 180 };
    const evidence = await runTruth({ ...moments, lanes: [herd], random: () => 0 });
    checkTruth(tellTruth("truth of a herd", evidence, { restarts: 2 }));
  }, 60_000);
});
