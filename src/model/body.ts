/** What is posted: a body by name, or a tree of the receiver's own with fields to fill in. */

import type { Json } from "./alarm.ts";

export type BodyTemplate =
  /** `none`: an empty body. */
  | { readonly kind: "aodh" | "alertmanager-v4" | "tacker-v2" | "none" }
  | { readonly kind: "custom"; readonly tree: Json };

/** Names that stand in a custom tree as `${name}`. */
export const BODY_FIELDS = [
  "alarm_name",
  "alarm_id",
  "severity",
  "previous",
  "current",
  "reason",
  "reason_data",
  "cluster_id",
  "cluster_name",
  "receiver",
  "direction",
  "transition",
  "repeat",
  "delivery_id",
  /** RFC 3339 of the tick of the decision. */
  "at",
  /** Newest datapoint; null where the rule has none. */
  "value",
  /** Servers to add or remove, of a receiver that scales in proportion; else null. */
  "count",
] as const;

export type BodyField = (typeof BODY_FIELDS)[number];

/**
 * Members that Senlin takes from the top of a body as inputs of its action, over the receiver's own parameters: in a
 * body that only tells something they would change what is done.
 */
export const SENLIN_INPUTS: ReadonlySet<string> = new Set([
  "count",
  "candidates",
  "nodes",
  "params",
  "name",
  "metadata",
  "timeout",
  "config",
  "new_profile_id",
  "profile_only",
  "policy_id",
  "operation",
  "operation_params",
  "check",
  "check_capacity",
  "delete_check_action",
  "destroy_after_deletion",
  "min_size",
  "max_size",
  "min_step",
  "adjustment_type",
  "number",
  "strict",
  "last_op",
  "action_result",
]);
