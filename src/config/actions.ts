/** Action lists of a rule file: whom they name, and what the evaluator must know of it. */

import type { Action, Direction } from "../model/alarm.ts";
import type { ActionReader } from "./alarms.ts";
import type { Path } from "./explain.ts";
import { referredName, referredReceiver } from "./receiverReference.ts";
import type { ReceiverConfig } from "./receivers.ts";
import { bareReceiver, directionOf } from "./receivers.ts";
import { isUrl, SUPPORTED_URLS } from "./receiverUrl.ts";
import type { RuleFile } from "./ruleSchema.ts";
import type { ReceiverDefaults } from "./urlCheck.ts";
import { checkUrl } from "./urlCheck.ts";
import type { YamlFile } from "./yamlFile.ts";

type Receivers = Map<string, ReceiverConfig>;
type Asked = Parameters<ActionReader>[2];

/** Reads action lists. Bare URLs become receivers, which are added to `receivers`. */
export function actionReader(
  file: YamlFile,
  receivers: Receivers,
  capacity: RuleFile["capacity"],
  defaults: ReceiverDefaults,
): ActionReader {
  return (path, written, asked) => {
    const actions = new Map<string, Action>();
    written.forEach((one, index) => {
      const place = [...path, index];
      const receiver = receiverOf(file, place, one, receivers, defaults);
      // Named twice, it is told once, as in Aodh.
      if (!receiver || actions.has(receiver.name)) return;
      const direction = directionOf(receiver, asked.rule, asked.state);
      if (asked.state === "insufficient data" && receiver.class === "control" && direction !== "out") {
        const message = `alarm "${asked.name}" never scales in for want of data: this action will be held`;
        file.warn(place, "W002", message, "set direction: out, or remove it");
      }
      if (receiver.scale !== undefined) checkScale(file, place, receiver, direction, asked, capacity);
      const onNoEffect = receiver.class === "control" ? noEffectActions(receiver, receivers) : [];
      actions.set(receiver.name, {
        ...actionOf(receiver, direction),
        ...(onNoEffect.length > 0 ? { onNoEffect } : {}),
      });
    });
    return [...actions.values()];
  };
}

const SHADOW: Pick<Action, "shadow"> = { shadow: true };

function actionOf(receiver: ReceiverConfig, direction: Direction): Action {
  const { name, maxAgeS, shadow, scale } = receiver;
  return {
    receiver: name,
    class: receiver.class,
    direction,
    maxAgeS,
    ...(shadow ? SHADOW : {}),
    ...(scale === undefined ? {} : { scale }),
  };
}

function noEffectActions({ onNoEffect }: ReceiverConfig, receivers: Receivers): readonly Action[] {
  return [...new Set(onNoEffect.map(referredName))].flatMap((name) => {
    const found = name === undefined ? undefined : receivers.get(name);
    return found?.class === "notice" ? actionOf(found, "unknown") : [];
  });
}

/** A count is worked out of how far a value is from its threshold, and bounded by how large the cluster may be. */
function checkScale(
  file: YamlFile,
  path: Path,
  receiver: ReceiverConfig,
  direction: Direction,
  asked: Asked,
  capacity: RuleFile["capacity"],
): void {
  const [why, hint] = hasNoProportion(asked) ?? hasNoBound(direction, capacity) ?? [];
  if (why === undefined) return;
  file.error(path, "E217", `receiver "${receiver.name}" scales in proportion, and ${why}`, hint);
}

/** Why something is not so, and how to mend it. */
type Objection = readonly [why: string, hint: string];

function hasNoProportion({ name, rule, state }: Asked): Objection | undefined {
  const another = "name a receiver without scale:";
  if (rule.kind !== "threshold") return [`alarm "${name}" is no threshold alarm: it has no one value`, another];
  if (state === "insufficient data") return [`alarm "${name}" has no value without data`, another];
  if (rule.comparison === "eq" || rule.comparison === "ne")
    return [`alarm "${name}" compares by ${rule.comparison}: that has no side`, "use lt, le, ge or gt"];
  if (rule.per === "server")
    return [`alarm "${name}" is per: server, and says nothing of the cluster`, "use per: active_server or total"];
  if (rule.threshold <= 0) return [`the threshold of alarm "${name}" is not above 0: nothing is a part of it`, another];
  return undefined;
}

function hasNoBound(direction: Direction, capacity: RuleFile["capacity"]): Objection | undefined {
  if (direction !== "in" && capacity?.max === undefined)
    return ["nothing says how large the cluster may be", "add capacity: {max: …} to the file"];
  if (direction !== "out" && capacity?.min === undefined)
    return ["nothing says how small the cluster may be", "add capacity: {min: …} to the file"];
  return undefined;
}

function receiverOf(
  file: YamlFile,
  path: Path,
  written: string,
  receivers: Receivers,
  defaults: ReceiverDefaults,
): ReceiverConfig | undefined {
  if (referredName(written) !== undefined) return referredReceiver(file, path, written, receivers);
  if (!isUrl(written)) {
    const hint = receivers.has(written) ? `write "receiver:${written}"` : undefined;
    file.error(path, "E201", `an action is receiver:NAME or a URL: ${SUPPORTED_URLS}`, hint);
    return undefined;
  }
  const bare = bareReceiver(written, defaults.timeoutS);
  if (!receivers.has(bare.name)) {
    checkUrl(file, path, bare, defaults);
    receivers.set(bare.name, bare);
  }
  return bare;
}
