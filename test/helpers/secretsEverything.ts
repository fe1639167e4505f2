/** All that the service writes and says: its files, the answers of its interface, the output of its commands. */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { expect } from "vitest";
import type { AlarmView, DeliveryView } from "../../src/serviceView.ts";
import { command } from "./cli.ts";
import { SECRETS } from "./secretsRules.ts";
import type { Secrets } from "./secretsSearch.ts";
import { secretsIn } from "./secretsSearch.ts";

/** Everything that was written or said, by where. */
export class Everything {
  readonly #places = new Map<string, string | Buffer>();

  add(place: string, text: string | Buffer): void {
    this.#places.set(this.#places.has(place) ? `${place} (${this.#places.size})` : place, text);
  }

  get size(): number {
    return this.#places.size;
  }

  /** `place: secret (spelling)` for each that is found. */
  search(secrets: Secrets): readonly string[] {
    return [...this.#places].flatMap(([place, text]) => secretsIn(text, secrets).map((one) => `${place}: ${one}`));
  }
}

export function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** A folder of the service's data, as it is now: copies of rule files hold what these hold, for their owner alone. */
export function addData(all: Everything, folder: string, when: string): void {
  for (const path of filesIn(folder)) {
    const name = relative(folder, path);
    expect(`${name} ${(statSync(path).mode & 0o777).toString(8)}`).toBe(`${name} 600`);
    if (!name.startsWith("rules/")) all.add(`${name} ${when}`, readFileSync(path));
  }
}

const READS = [
  "/healthz",
  "/api/v1/alarms",
  "/api/v1/metrics",
  "/api/v1/clusters",
  "/api/v1/sources",
  "/api/v1/receivers",
];

/** All that the interface has to say, and the commands that show it. */
export async function addAnswers(all: Everything, folder: string, url: string, when: string): Promise<void> {
  const read = async (path: string) => {
    const text = await (await fetch(`${url}${path}`)).text();
    all.add(`GET ${path} ${when}`, text);
    return JSON.parse(text) as unknown;
  };
  const run = async (...args: string[]) => {
    const { out, err } = await command(args, { cwd: folder, env: { TOCSIN_URL: url } });
    all.add(`${args.join(" ")} ${when}`, out + err);
    // What is shown may be spelled for a terminal: as JSON it is as it was.
    if (args.includes("json") && out.startsWith("["))
      all.add(`${args.join(" ")}, read, ${when}`, String(JSON.parse(out)));
  };
  for (const path of READS) await read(path);
  const alarms = (await read("/api/v1/alarms")) as AlarmView[];
  for (const { alarm_id: id } of alarms)
    for (const rest of ["", "/explain", "/history?limit=1000"]) await read(`/api/v1/alarms/${id}${rest}`);
  const deliveries = (await read("/api/v1/deliveries?limit=1000")) as DeliveryView[];
  await read("/api/v1/deliveries?attention=true");
  for (const { delivery_id: id } of deliveries) {
    await read(`/api/v1/deliveries/${id}`);
    for (const format of ["json", "table"]) await run("delivery", "show", id, "-o", format);
  }
  for (const format of ["json", "table"]) {
    for (const what of ["delivery", "receiver", "alarm", "cluster", "source", "metric"])
      await run(what, "list", "-o", format);
    for (const { alarm_id: id } of alarms)
      for (const verb of ["show", "explain", "history"]) await run("alarm", verb, id, "-o", format);
  }
}

/** Requests that are refused, each with a secret of the asker's own. */
const REFUSED: readonly (readonly [path: string, body?: string])[] = ((said: string) =>
  [
    [`/${said}`],
    [`/api/v1/alarms/${said}`],
    [`/api/v1/alarms/${said}/explain?at=${said}`],
    [`/api/v1/alarms/busy?limit=${said}`],
    [`/api/v1/deliveries/${said}`],
    [`/api/v1/deliveries?cluster=${said.repeat(200)}`],
    [`/api/v1/deliveries?attention=${said}`],
    [`/api/v1/deliveries/${said}/retry`, "{}"],
    [`/api/v1/clusters/${said}/pause`, "{}"],
    ["/api/v1/clusters/told/pause", `{"for": "${said}"}`],
    ["/api/v1/clusters/told/pause", `{"${said.repeat(200)}": 1}`],
    ["/api/v1/clusters/told/pause", `{"${said}`],
    ["/api/v1/sources/forget", `{"source": "${said}"}`],
    ["/api/v1/events", `{"event_type": "${said}\\n"}`],
    ["/api/v1/receivers/test", `{"receiver": "${said}"}`],
    ["/api/v1/receivers/test", `{"receiver": "grow", "cluster": "${said}"}`],
  ] as const)(SECRETS["said to the interface"]);

/** Longest refusal: it may say what was asked, but not at length. */
const LONGEST_REFUSAL = 700;

/** Makes the requests: each is refused, with what was asked at no length. */
export async function refusals(url: string): Promise<Everything> {
  const all = new Everything();
  for (const [path, body] of REFUSED) {
    const answer = await fetch(
      `${url}${path}`,
      body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body },
    );
    const text = await answer.text();
    const [what, isLong] = [`${path.slice(0, 80)} ${body?.slice(0, 80)}`, text.length > LONGEST_REFUSAL];
    expect.soft([what, Math.floor(answer.status / 100), isLong]).toEqual([what, 4, false]);
    all.add(`refusal of ${path.slice(0, 80)}`, text);
  }
  return all;
}
