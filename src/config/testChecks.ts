/** What a test speaks of must be there: alarms, receivers, sources; and what it expects must be at a tick. */

import { closest } from "../lib/closest.ts";
import type { LoadedCluster } from "./ruleFile.ts";
import type { TestFields } from "./testSchema.ts";
import type { YamlFile } from "./yamlFile.ts";

/** What the reading of one test needs. */
export interface TestPlace {
  readonly file: YamlFile;
  readonly place: readonly PropertyKey[];
  readonly cluster: LoadedCluster;
  readonly intervalS: number;
}

/** Seconds of the tick at or before a time. */
export function secondsOfTick(seconds: number, intervalS: number): number {
  return Math.floor(seconds / intervalS + 1e-9) * intervalS;
}

/** Receivers by name; those that are a bare URL in an action list by that URL. */
export function receiverName({ receivers }: LoadedCluster, written: string): string {
  if (receivers.has(written)) return written;
  return [...receivers].find(([, { url }]) => url === written)?.[0] ?? written;
}

/** Adds what is wrong to the file's diagnostics. */
export function checkTest({ file, place, cluster, intervalS }: TestPlace, fields: TestFields): void {
  const { sources = ["haproxy"], alarms = [], deliveries = [], holds = [], effects = [] } = fields;
  const names = cluster.rules.alarms.map(({ name }) => name);
  const alarm = (list: string, index: number, key: string, name: string) => {
    if (names.includes(name)) return;
    const near = closest(name, names);
    const hint = near === undefined ? `they are ${names.join(", ")}` : `did you mean "${near}"?`;
    file.error([...place, list, index, key], "E220", `the rules have no alarm "${name}"`, hint);
  };
  const receiver = (path: readonly PropertyKey[], name: string) => {
    if (cluster.receivers.has(receiverName(cluster, name))) return;
    const near = closest(name, cluster.receivers.keys());
    const hint =
      near === undefined ? `they are ${[...cluster.receivers.keys()].join(", ")}` : `did you mean "${near}"?`;
    file.error([...place, ...path], "E220", `the rules have no receiver "${name}"`, hint);
  };
  const source = (list: string, index: number, name: string | undefined) => {
    if (name === undefined || sources.includes(name)) return;
    const hint = `its sources are ${sources.join(", ")}`;
    file.error([...place, list, index, "source"], "E220", `the test has no source "${name}"`, hint);
  };
  const tick = (list: string, index: number, at: number) => {
    if (Math.abs(secondsOfTick(at, intervalS) - at) < 1e-6) return;
    const hint = `a tick comes every ${intervalS} s`;
    file.error([...place, list, index, "at"], "E103", `"at": there is no tick at ${at} s`, hint);
  };

  alarms.forEach(({ at, name }, index) => {
    alarm("alarms", index, "name", name);
    tick("alarms", index, at);
  });
  for (const [list, items] of Object.entries({ deliveries, holds, effects })) {
    items.forEach(({ at, alarm: name }, index) => {
      alarm(list, index, "alarm", name);
      tick(list, index, at);
    });
  }
  deliveries.forEach((one, index) => {
    receiver(["deliveries", index, "receiver"], one.receiver);
  });
  (fields.outcomes ?? []).forEach((one, index) => {
    receiver(["outcomes", index, "receiver"], one.receiver);
  });
  const { only } = fields;
  if (typeof only === "string") receiver(["only"], only);
  else
    only?.forEach((name, index) => {
      receiver(["only", index], name);
    });
  (fields.faults ?? []).forEach(({ what, at, from, by, source: name }, index) => {
    const path = [...place, "faults", index];
    source("faults", index, name);
    if ((at === undefined) === (from === undefined))
      file.error(
        path,
        "E104",
        "a fault says at, or from and to",
        "at: one tick; from, to: all ticks from, and before to",
      );
    if (what === "clock_step" && by === undefined) file.error(path, "E104", "by is missing", 'add "by: 1h"');
  });
  (fields.commands ?? []).forEach(({ command, source: name }, index) => {
    source("commands", index, name);
    if (command === "forget" && name === undefined)
      file.error([...place, "commands", index], "E104", "source is missing", 'add "source:"');
  });
}
