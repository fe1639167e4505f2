import { defineConfig } from "vitest/config";
import { ClosingLine } from "./test/helpers/closingLine.ts";
import { LongestFirst } from "./test/helpers/longestFirst.ts";

const PLAIN = ["lib", "model", "evaluator", "config", "api", "replay"].map((name) => `test/${name}/**/*.test.ts`);
/** They count what real servers do in real time: they wait most of theirs, and are not to wait for others' work. */
const TIMED = ["test/e2e/**/*.test.ts", "test/full/effect.test.ts"];
/** As many processes as a small site has: nothing else runs beside. */
const ALONE = ["test/full/chaos.test.ts"];

export default defineConfig({
  test: {
    projects: [
      // Neither processes nor sockets: these share a worker's modules, which is half of their time.
      { extends: true, test: { name: "plain", include: PLAIN, isolate: false, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          name: "whole",
          include: ["test/**/*.test.ts"],
          exclude: [...PLAIN, ...TIMED, ...ALONE],
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: "timed", include: TIMED, maxWorkers: 4, sequence: { groupOrder: 1 } } },
      { extends: true, test: { name: "alone", include: ALONE, maxWorkers: 1, sequence: { groupOrder: 2 } } },
    ],
    // Real processes start and stop in some tests; each waits for conditions and has its own deadline.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // One more than CI has cores: many files wait for real time most of theirs.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    reporters: ["default", new ClosingLine()],
  },
});
