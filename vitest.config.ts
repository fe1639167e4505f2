import { defineConfig } from "vitest/config";
import { ClosingLine } from "./test/helpers/closingLine.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Real processes start and stop in some tests; each waits for conditions and has its own deadline.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    reporters: ["default", new ClosingLine()],
  },
});
