/** Prints every benchmark: ratios against a baseline of the same run. */

import { benchArrival } from "./arrival.ts";

await benchArrival(Number(process.argv[2] ?? 500));
