/** What happens to a lane, in lines that people read. */

import type { Decision, Input } from "../../src/model/decision.ts";

/** An input or a decision as a line that people read. */
export function inShort(one: Input | Decision): string {
  if ("kind" in one) {
    if (one.kind === "tick")
      return `tick ${one.number} ${JSON.stringify(one.values)} ${one.sources[0]?.error ?? ""} ${one.members.join(" ")}`;
    if (one.kind === "command" && one.command === "rules") {
      const { settleS, cooldownS, alarms } = one.rules;
      const lines = alarms.map((alarm) => {
        const { name, enabled, actions, suppressedBy, repeatActions, repeatIntervalS, repeatStates, maxRepeats, rule } =
          alarm;
        const lists = Object.entries(actions).map(
          ([state, list]) => `${state}: ${list.map(({ receiver, direction }) => `${receiver} ${direction}`)}`,
        );
        const policy = rule.kind === "threshold" ? `${rule.comparison} ${rule.treatMissingData}` : "";
        const repeats = repeatActions
          ? `every ${repeatIntervalS} s in ${repeatStates}, at most ${maxRepeats}`
          : "no repeats";
        return `  ${name} ${enabled} ${policy} ${lists.join("; ")}; ${repeats}; suppressed by ${suppressedBy}`;
      });
      return [`rules settle ${settleS} cooldown ${JSON.stringify(cooldownS)}`, ...lines].join("\n");
    }
    return JSON.stringify(one);
  }
  if (one.d === "send")
    return `send ${one.receiver} attempt ${one.attempt} transition ${one.transition} repeat ${one.repeat} ${one.direction}`;
  if (one.d === "transition") return `${one.name}: ${one.from} → ${one.to} (${one.transition})`;
  if (one.d === "hold") return `hold ${one.alarmId} ${one.what} ${one.gate}: ${one.reason.slice(0, 60)}`;
  return JSON.stringify(one);
}
