/** Receivers that a file spells out: whether what is said of them goes together, and whether they can be reached. */

import { accessSync, constants } from "node:fs";
import { messageOf } from "../lib/errors.ts";
import type { Path } from "./explain.ts";
import { warnOfIdleWords } from "./idleWords.ts";
import { checkBody, saysCount } from "./receiverBody.ts";
import { referredName, referredReceiver } from "./receiverReference.ts";
import type { ReceiverFields } from "./receiverSchema.ts";
import type { ReceiverConfig, TlsPaths } from "./receivers.ts";
import type { Destination } from "./receiverUrl.ts";
import { checkSecret, complain, UNSENDABLE } from "./secretCheck.ts";
import type { ReceiverDefaults } from "./urlCheck.ts";
import { checkUrl } from "./urlCheck.ts";
import type { YamlFile } from "./yamlFile.ts";

type Receivers = ReadonlyMap<string, ReceiverConfig>;

/** Senlin answers within so many seconds only where nothing else is asked of it. */
const SHORT_TIMEOUT_S = 5;

/** Checks all receivers of a file: `written` as its words say them, `receivers` as they were read. */
export function checkReceivers(
  file: YamlFile,
  written: Readonly<Record<string, ReceiverFields>>,
  receivers: Receivers,
  defaults: ReceiverDefaults,
): void {
  const { environment } = defaults;
  for (const [name, fields] of Object.entries(written)) {
    const path = ["receivers", name];
    const receiver = receivers.get(name);
    if (!receiver) continue;
    const destination = checkDestination(file, path, fields, receiver, defaults);
    for (const words of ["headers", "labels"] as const)
      for (const [key, value] of Object.entries(receiver[words]))
        checkSecret(file, [...path, words, key], value, environment);
    if (receiver.signSecret !== undefined) checkSigning(file, path, receiver.signSecret, defaults);
    checkTls(file, [...path, "tls"], receiver.tls, destination);
    checkBody(file, [...path, "body"], fields.body ?? "aodh", receiver, environment);
    checkLabels(file, path, receiver);
    checkScale(file, path, receiver);
    checkTimeout(file, path, fields, receiver, defaults.connectTimeoutS);
    checkNoEffect(file, path, receiver, receivers);
    warnOfIdleWords(file, path, fields, receiver, destination);
  }
}

function checkDestination(
  file: YamlFile,
  path: Path,
  { type, alarm_url: url }: ReceiverFields,
  receiver: ReceiverConfig,
  defaults: ReceiverDefaults,
): Destination | undefined {
  if (url === undefined && type !== "log") {
    const hint = 'add "alarm_url:", or type: log';
    file.error(path, "E104", `alarm_url is missing in receiver "${receiver.name}"`, hint);
    return undefined;
  }
  const place = [...path, "alarm_url"];
  const destination = checkUrl(file, place, receiver, defaults);
  if (type === "log" && destination !== undefined && destination.kind !== "log") {
    const message = `receiver "${receiver.name}" is of type log, and its alarm_url leads elsewhere`;
    file.error(place, "E108", message, "remove one of them");
  }
  return destination;
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
}

/** Standard Webhooks asks for 24 to 64 bytes; the secret itself is never shown. */
function checkSigning(file: YamlFile, path: Path, written: string, { environment }: ReceiverDefaults): void {
  const place = [...path, "sign", "secret"];
  const secret = checkSecret(file, place, written, environment);
  if (secret === undefined) return;
  const base64 = secret.replace(/^whsec_/, "");
  const bytes = Buffer.from(base64, "base64").length;
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(base64) && bytes >= 24 && bytes <= 64) return;
  const hint = "make one: echo whsec_$(head -c 32 /dev/urandom | base64)";
  complain(file, place, written, "E103", '"secret" must be whsec_ and the base64 of 24 to 64 bytes', hint);
}

function checkTls(file: YamlFile, path: Path, tls: TlsPaths, destination: Destination | undefined): void {
  const files = Object.entries(tls);
  const [first] = files;
  if (first === undefined) return;
  if (destination?.kind === "webhook" && !/^https:/i.test(destination.url))
    file.error([...path, first[0]], "E108", "tls is said, but alarm_url is not https", "remove one, or mend the other");
  if ((tls.cert_file === undefined) !== (tls.key_file === undefined)) {
    const [said, missing] = tls.key_file === undefined ? ["cert_file", "key_file"] : ["key_file", "cert_file"];
    file.error([...path, said], "E108", `${said} is said without ${missing}`, `add ${missing}:, or remove ${said}`);
  }
  for (const [word, pem] of files) {
    if (pem === undefined) continue;
    try {
      accessSync(pem, constants.R_OK);
    } catch (error) {
      file.warn([...path, word], "W005", `cannot read ${word}: ${messageOf(error)}`, UNSENDABLE);
    }
  }
}

function checkLabels(file: YamlFile, path: Path, { name, body, labels }: ReceiverConfig): void {
  if (body.kind !== "tacker-v2" || labels.vnf_instance_id !== undefined) return;
  const message = `the label vnf_instance_id is missing in receiver "${name}": the body tacker-v2 needs it`;
  file.error([...path, "labels"], "E104", message, 'add it to "labels:"');
}

function checkScale(file: YamlFile, path: Path, receiver: ReceiverConfig): void {
  const { name, scale, scaler, body } = receiver;
  if (scale === undefined) return;
  const place = [...path, "scale"];
  if (receiver.class !== "control" || scaler !== "senlin") {
    const message = `receiver "${name}" is none that scales a Senlin cluster: it reads no count`;
    file.error(place, "E217", message, "remove it, or set type: senlin");
  }
  if (!saysCount(body)) {
    const how = body.kind === "custom" ? `add count: "\${count}" at its top` : "use body: aodh";
    file.error(place, "E108", `receiver "${name}" scales in proportion, and its body says no count`, how);
  }
}

function checkTimeout(
  file: YamlFile,
  path: Path,
  { timeout }: ReceiverFields,
  { class: kind, scaler }: ReceiverConfig,
  connectTimeoutS: number | undefined,
): void {
  if (timeout === undefined) return;
  const place = [...path, "timeout"];
  if (kind === "control" && scaler === "senlin" && timeout < SHORT_TIMEOUT_S) {
    const message = `a timeout of ${timeout} s is short: Senlin needs up to 20 s when busy, and an attempt without an answer counts as uncertain`;
    file.warn(place, "W008", message, "allow 30s, the default, or more");
  } else warnOfHaste(file, place, timeout, connectTimeoutS);
}

/** One that connects slowly would then count against all receivers of its origin. `timeoutS` stands at `place`. */
export function warnOfHaste(file: YamlFile, place: Path, timeoutS: number, connectTimeoutS: number | undefined): void {
  if (connectTimeoutS === undefined || timeoutS > connectTimeoutS) return;
  const message = `a timeout of ${timeoutS} s is not above notifier.connect_timeout, ${connectTimeoutS} s: an attempt may end before its connection stands`;
  file.warn(place, "W008", message, "make it longer, or notifier.connect_timeout shorter");
}
