/** Whether the words of `bus` and `roles` go together, and what they need of the environment and of files. */

import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../lib/errors.ts";
import type { BusFields, NatsSettings, Role } from "./busSettings.ts";
import { busFields, ROLES, roleFields } from "./busSettings.ts";
import type { Path } from "./explain.ts";
import { checkSecret } from "./secretCheck.ts";
import type { Written } from "./written.ts";
import { hasWord, meansWord, writtenMap } from "./written.ts";
import type { YamlFile } from "./yamlFile.ts";

const NATS_WORDS = Object.keys(busFields.shape.nats.unwrap().shape);
const TLS_WORDS = ["ca_file", "cert_file", "key_file"];

/** Ways to say who one is: one of them is enough. */
const WAYS = ["creds", "nkey", "user", "token"] as const;

/** Least of `ttl` beyond `heartbeat`, ms: an owner stops 300 ms before others may take what is its own. */
const LEAST_ROOM_MS = 500;

/** Checks what the schema cannot see, whether or not it finds something wrong. `written`: what the file says there. */
export function checkBus(file: YamlFile, written: unknown): void {
  const bus = writtenMap(written);
  if (hasWord(bus, "nats") && !meansWord(bus, "type", ["type", "nats"])) {
    const message = "nats is given in bus, and not whether it is used";
    file.error(["bus"], "E104", message, 'add "type: nats", or "type: local"');
  }
  const nats = writtenMap(bus.nats);
  const [way, ...more] = WAYS.filter((word) => hasWord(nats, word));
  for (const word of more) {
    const message = `${way} says already who is connecting to NATS`;
    file.error(["bus", "nats", word], "E108", message, `remove ${word}, or ${way}`);
  }
  checkPair(file, ["bus", "nats"], nats, ["user", "password"], NATS_WORDS);
  checkPair(file, ["bus", "nats", "tls"], writtenMap(nats.tls), ["cert_file", "key_file"], TLS_WORDS);
  checkTimes(file, nats);
}

function checkPair(
  file: YamlFile,
  path: Path,
  written: Written,
  pair: readonly [string, string],
  words: readonly string[],
): void {
  for (const [given, other] of [pair, pair.toReversed()])
    if (given !== undefined && other !== undefined && hasWord(written, given) && !meansWord(written, other, words))
      file.error(path, "E104", `${other} is missing beside ${given} in ${path.join(".")}`, `add "${other}:"`);
}

function checkTimes(file: YamlFile, written: Written): void {
  const { heartbeat, ttl } = busFields.shape.nats.unwrap().shape;
  const [said, died] = [heartbeat.safeParse(written.heartbeat), ttl.safeParse(written.ttl)];
  // What is no duration is told by the schema.
  if (!said.success || !died.success) return;
  const least = (said.data ?? 0.5) * 1000 + LEAST_ROOM_MS;
  if ((died.data ?? 2) * 1000 >= least) return;
  const word = hasWord(written, "ttl") ? "ttl" : "heartbeat";
  const message = `ttl must be at least heartbeat and ${LEAST_ROOM_MS} ms, that is ${least / 1000} s`;
  file.error(["bus", "nats", word], "E109", message);
}

/** Without a bus that others can reach, one process is everything. `written`: what the file says in `roles` and `bus`. */
export function checkRoles(file: YamlFile, roles: unknown, bus: unknown): void {
  const said = roleFields.safeParse(roles).data;
  if (said === undefined || ROLES.every((role) => said.includes(role))) return;
  const { type, nats } = writtenMap(bus);
  // What has servers and no type is told already.
  if (type === "nats" || (type === undefined && nats !== undefined)) return;
  const message = "a process that has not all roles reaches the others over NATS";
  file.error(["roles"], "E108", message, 'add "bus: {type: nats}", or remove roles');
}

const UNREACHED = "the bus cannot be reached until that is mended";

/** Warns of what cannot be read now, and of what serves badly. `folder`: what paths are relative to. */
export function warnOfBus(
  file: YamlFile,
  { nats = {} }: BusFields,
  settings: NatsSettings,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const { user, password, token, creds, nkey, tls = {} } = nats;
  for (const [word, text] of Object.entries({ user, password, token }))
    if (text !== undefined) checkSecret(file, ["bus", "nats", word], text, environment, UNREACHED);
  const checkFile = (path: Path, written: string | undefined) => {
    if (written === undefined) return;
    try {
      accessSync(resolve(folder, written), constants.R_OK);
    } catch (error) {
      file.warn(path, "W005", `cannot read ${String(path.at(-1))}: ${messageOf(error)}`, UNREACHED);
    }
  };
  checkFile(["bus", "nats", "creds"], creds);
  checkFile(["bus", "nats", "nkey"], nkey);
  for (const [word, written] of Object.entries(tls)) checkFile(["bus", "nats", "tls", word], written);
  const { heartbeatMs, ttlMs } = settings;
  if (ttlMs >= 4 * heartbeatMs) return;
  const word = nats.ttl === undefined ? "heartbeat" : "ttl";
  const message = `a process is taken for dead after ${ttlMs / 1000} s, which is not four heartbeats of ${heartbeatMs / 1000} s`;
  file.warn(["bus", "nats", word], "W014", message, `set ttl to ${(4 * heartbeatMs) / 1000}s or more`);
}

/** Warns where each engine would keep a history of its own. */
export function warnOfHistory(file: YamlFile, roles: readonly Role[], storeType: "sqlite" | "influx"): void {
  if (storeType !== "sqlite" || !roles.some((role) => role !== "collector")) return;
  const message = "with bus.type nats and store.type sqlite each process has the history of its own time alone";
  const hint = "set store.type to influx for one history of all, whoever works on a cluster";
  file.warn(["bus", "type"], "W013", message, hint);
}
