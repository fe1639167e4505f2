/** Action lists and receivers of a rule file: whom they name, and whether it can be reached. */

import { accessSync, constants } from "node:fs";
import { closest } from "../lib/closest.ts";
import { messageOf } from "../lib/errors.ts";
import type { Action } from "../model/alarm.ts";
import type { ActionReader } from "./alarms.ts";
import type { Path } from "./explain.ts";
import type { ReceiverConfig } from "./receivers.ts";
import { bareReceiver, directionOf } from "./receivers.ts";
import { expandSecrets } from "./secrets.ts";
import type { YamlFile } from "./yamlFile.ts";

type Receivers = Map<string, ReceiverConfig>;

const UNSENDABLE = "nothing can be sent to this receiver until it can be read";

/** What receivers are made with. */
interface ReceiverDefaults {
  readonly timeoutS: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Reads action lists. Bare URLs become receivers, which are added to `receivers`. */
export function actionReader(file: YamlFile, receivers: Receivers, defaults: ReceiverDefaults): ActionReader {
  return (path, written, { name, rule, state }) => {
    const actions = new Map<string, Action>();
    written.forEach((one, index) => {
      const place = [...path, index];
      const receiver = receiverOf(file, place, one, receivers, defaults);
      // Named twice, it is told once, as in Aodh.
      if (!receiver || actions.has(receiver.name)) return;
      const direction = directionOf(receiver, rule, state);
      if (state === "insufficient data" && receiver.class === "control" && direction !== "out") {
        const message = `alarm "${name}" never scales in for want of data: this action will be held`;
        file.warn(place, "W002", message, "set direction: out, or remove it");
      }
      const onNoEffect = receiver.class === "control" ? noEffectActions(receiver, receivers) : [];
      actions.set(receiver.name, {
        receiver: receiver.name,
        class: receiver.class,
        direction,
        maxAgeS: receiver.maxAgeS,
        ...(onNoEffect.length > 0 ? { onNoEffect } : {}),
      });
    });
    return [...actions.values()];
  };
}

function noEffectActions({ onNoEffect }: ReceiverConfig, receivers: Receivers): readonly Action[] {
  return [...new Set(onNoEffect.map(referredName))].flatMap((name) => {
    const found = name === undefined ? undefined : receivers.get(name);
    if (found?.class !== "notice") return [];
    return { receiver: found.name, class: found.class, direction: "unknown", maxAgeS: found.maxAgeS };
  });
}

/** NAME of `receiver:NAME`; `undefined`: it is written in another way. */
function referredName(written: string): string | undefined {
  return written.startsWith("receiver:") ? written.slice("receiver:".length).trim() : undefined;
}

function receiverOf(
  file: YamlFile,
  path: Path,
  written: string,
  receivers: Receivers,
  defaults: ReceiverDefaults,
): ReceiverConfig | undefined {
  if (referredName(written) !== undefined) return referredReceiver(file, path, written, receivers);
  if (!/^(https?:\/\/|\$\{)/i.test(written)) {
    const hint = receivers.has(written) ? `write "receiver:${written}"` : undefined;
    file.error(path, "E201", "an action is receiver:NAME or an http(s) URL", hint);
    return undefined;
  }
  const bare = bareReceiver(written, defaults.timeoutS);
  if (!receivers.has(bare.name)) {
    checkUrl(file, path, written, defaults);
    receivers.set(bare.name, bare);
  }
  return bare;
}

function referredReceiver(
  file: YamlFile,
  path: Path,
  written: string,
  receivers: Receivers,
): ReceiverConfig | undefined {
  const name = referredName(written) ?? "";
  const found = receivers.get(name);
  if (found) return found;
  const near = closest(name, receivers.keys());
  const hint = near === undefined ? `add "${name}:" to receivers:` : `did you mean "receiver:${near}"?`;
  file.error(path, "E201", `there is no receiver "${name}"`, hint);
  return undefined;
}

/** Checks the receivers that a file spells out. */
export function checkReceivers(file: YamlFile, receivers: Receivers, defaults: ReceiverDefaults): void {
  for (const [name, receiver] of receivers) {
    const path = ["receivers", name];
    const url = checkUrl(file, [...path, "alarm_url"], receiver.url, defaults);
    for (const [header, value] of Object.entries(receiver.headers))
      checkSecret(file, [...path, "headers", header], value, defaults);
    if (receiver.signSecret !== undefined) checkSigning(file, path, receiver.signSecret, defaults);
    if (receiver.caFile !== undefined) checkTls(file, path, receiver.caFile, url);
    checkNoEffect(file, path, receiver, receivers);
  }
}

function checkNoEffect(file: YamlFile, path: Path, receiver: ReceiverConfig, receivers: Receivers): void {
  receiver.onNoEffect.forEach((written, index) => {
    const place = [...path, "on_no_effect", index];
    if (referredName(written) === undefined) {
      const hint = receivers.has(written) ? `write "receiver:${written}"` : undefined;
      file.error(place, "E201", "on_no_effect names receivers: receiver:NAME", hint);
      return;
    }
    const found = referredReceiver(file, place, written, receivers);
    if (found?.class !== "control") return;
    const message = `receiver "${found.name}" scales: on_no_effect of receiver "${receiver.name}" only tells someone`;
    file.error(place, "E211", message, "name a receiver of class: notice");
  });
  if (receiver.onNoEffect.length === 0 || receiver.class === "control") return;
  const message = `receiver "${receiver.name}" scales nothing: on_no_effect never happens`;
  file.warn([...path, "on_no_effect"], "W004", message, "remove it, or set class: control");
}

/** Standard Webhooks asks for 24 to 64 bytes; the secret itself is never shown. */
function checkSigning(file: YamlFile, path: Path, written: string, defaults: ReceiverDefaults): void {
  const place = [...path, "sign", "secret"];
  const secret = checkSecret(file, place, written, defaults);
  if (secret === undefined) return;
  const base64 = secret.replace(/^whsec_/, "");
  const bytes = Buffer.from(base64, "base64").length;
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(base64) && bytes >= 24 && bytes <= 64) return;
  const hint = "make one: echo whsec_$(head -c 32 /dev/urandom | base64)";
  complain(file, place, written, "E103", '"secret" must be whsec_ and the base64 of 24 to 64 bytes', hint);
}

function checkTls(file: YamlFile, path: Path, caFile: string, url: string | undefined): void {
  const place = [...path, "tls", "ca_file"];
  if (url !== undefined && !/^https:/i.test(url))
    file.error(place, "E108", "tls is said, but alarm_url is not https", "remove one, or mend the other");
  try {
    accessSync(caFile, constants.R_OK);
  } catch (error) {
    const message = `cannot read ca_file: ${messageOf(error)}`;
    file.warn(place, "W005", message, UNSENDABLE);
  }
}

function checkSecret(file: YamlFile, path: Path, value: string, { environment }: ReceiverDefaults): string | undefined {
  try {
    return expandSecrets(value, environment);
  } catch (error) {
    // Only this receiver is in want of it, and only when something is sent: the cluster goes on without.
    file.warn(path, "W006", messageOf(error), UNSENDABLE);
    return undefined;
  }
}

function checkUrl(file: YamlFile, path: Path, url: string, defaults: ReceiverDefaults): string | undefined {
  const expanded = checkSecret(file, path, url, defaults);
  if (expanded === undefined) return undefined;
  // The same shape that the notifier can send without rewriting a byte of it.
  if (/^https?:\/\/[^/?#\s@\\]+([/?][^#\s\\]*)?$/i.test(expanded) && URL.canParse(expanded)) return expanded;
  complain(file, path, url, "E206", "an alarm_url is http(s)://host[:port]/path, without user, spaces or fragment");
  return undefined;
}

/** What is wrong by a secret's value is not the file's fault, and must not take the cluster with it: a warning. */
function complain(file: YamlFile, path: Path, written: string, code: string, message: string, hint?: string): void {
  if (!/\$\{(env|file):/.test(written)) file.error(path, code, message, hint);
  else
    file.warn(
      path,
      "W006",
      `with its secrets put in: ${message}`,
      hint ?? "nothing can be sent to this receiver until that is mended",
    );
}
