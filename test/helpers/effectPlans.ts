/** What receivers do with the action that they accepted, and what the service must say of it (rule L4). */

import type { EffectLabel } from "../../src/model/decision.ts";

/** Longest wait for an effect, seconds. */
export const SETTLE_S = 4;

/** Milliseconds after the POST, from … to. */
type Span = readonly [least: number, most: number];
/** Well within settling. */
const SOON: Span = [0, 1700];
/** After settling, and before the next action. */
const LATE: Span = [SETTLE_S * 1000 + 700, SETTLE_S * 1000 + 1600];

export interface Step {
  readonly after: Span;
  readonly does: "add" | "add unready" | "add in maint" | "enable" | "ready" | "remove" | "drain" | "maint" | "replace";
}

export interface Plan {
  readonly name: string;
  readonly direction: "in" | "out";
  readonly repeatS: number;
  /** Status that the first POST is answered with. */
  readonly status: number;
  /** What follows from the first POST; the second is accepted, and nothing is done. */
  readonly steps: readonly Step[];
  readonly label: EffectLabel;
  /** Servers that make it so. */
  readonly servers: readonly string[];
  /** The sick server does not only recover: it falls ill and recovers again and again. */
  readonly isRestless: boolean;
}

function plan(
  name: string,
  label: EffectLabel,
  steps: readonly Step[],
  servers: readonly string[] = [],
  fields: Partial<Plan> = {},
): Plan {
  // Where there is an effect the repeats are dense: the next action must wait for it.
  const repeatS = label === "effective" ? 2 : SETTLE_S + 4;
  const direction = name.startsWith("in") ? "in" : "out";
  return { name, direction, repeatS, status: 202, steps, label, servers, isRestless: false, ...fields };
}

/** Each cluster has the servers `s1` and `s2`, `slot` in maintenance, and `sick`, which is checked. */
export const PLANS: readonly Plan[] = [
  plan("out-add", "effective", [{ after: SOON, does: "add" }], ["new"]),
  plan("out-boot", "effective", [{ after: SOON, does: "add unready" }], ["new"]),
  plan("out-slot", "effective", [{ after: SOON, does: "ready" }], ["slot"]),
  plan("out-unsure", "effective", [{ after: SOON, does: "add" }], ["new"], { status: 500 }),
  plan("out-replace", "effective", [{ after: SOON, does: "replace" }], ["new"]),
  plan("out-nothing", "no_effect", []),
  plan("out-sick", "no_effect", [], [], { isRestless: true }),
  plan("out-late", "no_effect", [{ after: LATE, does: "add" }]),
  plan(
    "out-maint",
    "unclear",
    [
      { after: SOON, does: "add in maint" },
      { after: LATE, does: "enable" },
    ],
    ["new"],
  ),
  plan("out-fewer", "unclear", [{ after: SOON, does: "remove" }], ["s2"]),
  plan("in-remove", "effective", [{ after: SOON, does: "remove" }], ["s2"]),
  plan("in-drain", "effective", [{ after: SOON, does: "drain" }], ["s2"]),
  plan("in-replace", "effective", [{ after: SOON, does: "replace" }], ["s2"]),
  plan("in-nothing", "no_effect", []),
  plan("in-sick", "no_effect", [], [], { isRestless: true }),
  plan("in-late", "no_effect", [{ after: LATE, does: "remove" }]),
  plan("in-maint", "unclear", [{ after: SOON, does: "maint" }], ["s2"]),
  plan("in-more", "unclear", [{ after: SOON, does: "add" }], ["new"]),
];
