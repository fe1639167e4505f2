import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Real processes start and stop in some tests; each waits for conditions and has its own deadline.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    // The last line of a run: what counts, in plain words.
    reporters: ["default"],
  },
});
