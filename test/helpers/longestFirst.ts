import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

/** Files that take longest, the longest first; from some tens of seconds on. */
const LONGEST = [
  "full/crashMoments",
  "full/chaos",
  "property/blind",
  "full/crashSteps",
  "e2e/labScaleOut",
  "e2e/scaleOut",
  "full/influxAway",
  "e2e/truthPair",
  "full/crashStop",
  "full/outage",
  "full/secrets",
  "e2e/service",
  "e2e/lab",
  "full/effect",
  "full/keeping",
  "e2e/truth",
  "backend/sqlite",
  "backend/damage",
];

function place({ moduleId }: TestSpecification): number {
  const index = LONGEST.findIndex((name) => moduleId.endsWith(`test/${name}.test.ts`));
  return index < 0 ? LONGEST.length : index;
}

/** Begins with what takes longest, on a fresh checkout too, so that a run does not end with one long file alone. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    return others.toSorted((a, b) => place(a) - place(b));
  }
}
