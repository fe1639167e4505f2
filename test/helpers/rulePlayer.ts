/** Plays edits on a folder of rule files, and says by itself what each of them must keep, begin anew and retire. */

import { expect } from "vitest";
import type { Lane } from "../../src/evaluator/cluster.ts";
import { RuleFolder } from "./ruleFolder.ts";
import type { FileSpec } from "./ruleTexts.ts";
import { aFileSpec, measured, textOf } from "./ruleTexts.ts";

/** Long enough for a file to be read. */
export const SETTLED_MS = 750;

/** An alarm as it must be found. */
interface Expected {
  readonly state: string;
  readonly transition: number;
}

/** How much there was to lose: alarms that had a state, that began anew and that were retired; busy lanes. */
export const counted = { kept: 0, anew: 0, retired: 0, lanes: 0 };

/** What each file last said when it was whole and alone is what counts. */
export class RulePlayer {
  readonly folder = new RuleFolder();
  /** By cluster: the file whose word counts, and what it says. */
  readonly holders = new Map<string, { readonly file: string; readonly spec: FileSpec }>();
  readonly retired = new Map<string, Map<string, number>>();
  #names = 0;

  constructor() {
    for (const id of ["A", "B"]) this.create(id);
  }

  /** A name that no file had before. */
  freshName(beginning: string): string {
    return `${beginning}${this.#names++}.yaml`;
  }

  /** A new file with a cluster that no other has. */
  create(id: string): void {
    const spec = aFileSpec(id);
    const file = this.freshName(id);
    this.change(new Map([[id, spec]]), () => {
      this.folder.write(file, textOf(spec));
      this.folder.wait(SETTLED_MS);
    });
    this.holders.set(id, { file, spec });
  }

  /** Does something that must make these clusters' files say that (`undefined`: retire them), and leave all others. */
  change(said: ReadonlyMap<string, FileSpec | undefined>, act: () => void): void {
    const before = this.#alarms();
    const lanes = this.#lanes();
    this.folder.decided = [];
    act();
    const expected = new Map(before);
    const journalled: string[] = [];
    for (const [id, spec] of said) {
      const { alarms, restarted } = this.#revised(id, spec, before.get(id) ?? new Map());
      expected.set(id, alarms);
      journalled.push(...restarted.map((name) => `${id} ${name}`));
      counted.anew += restarted.length;
      if (!spec) counted.retired += before.get(id)?.size ?? 0;
      const holder = this.holders.get(id);
      if (spec && holder) this.holders.set(id, { ...holder, spec });
      if (!spec) this.holders.delete(id);
    }
    expect(this.#alarms()).toEqual(expected);
    for (const alarms of expected.values())
      counted.kept += [...alarms.values()].filter(({ state }) => state !== "insufficient data").length;
    for (const [id, lane] of lanes) expect(this.#lanes().get(id)).toEqual(lane);
    counted.lanes += [...lanes.values()].filter(({ phase }) => phase !== "idle").length;
    for (const [id, { spec }] of this.holders) expect(this.folder.inForce.get(id)?.text).toBe(textOf(spec));
    expect(this.folder.inForce.size).toBe(
      this.holders.size + [...said.keys()].filter((id) => said.get(id) && !this.holders.has(id)).length,
    );
    const { decided } = this.folder;
    const transitions = decided.flatMap(({ clusterId, decision }) =>
      decision.d === "transition" ? [`${clusterId} ${decision.name}${decision.by === "rule change" ? "" : "?"}`] : [],
    );
    expect(transitions.toSorted()).toEqual(journalled.toSorted());
    expect(decided.filter(({ decision }) => decision.d === "send")).toEqual([]);
  }

  /** What an edit must make of a cluster's alarms. */
  #revised(id: string, spec: FileSpec | undefined, before: ReadonlyMap<string, Expected>) {
    const old = this.holders.get(id)?.spec;
    const gone = this.retired.get(id) ?? new Map<string, number>();
    this.retired.set(id, gone);
    const alarms = new Map<string, Expected>();
    const restarted: string[] = [];
    for (const alarm of spec?.alarms ?? []) {
      const known = before.get(alarm.name);
      const was = old?.alarms.find(({ name }) => name === alarm.name);
      const isSame = spec && old && was && measured(was, old) === measured(alarm, spec);
      if (!known) alarms.set(alarm.name, { state: "insufficient data", transition: gone.get(alarm.name) ?? 0 });
      else if (isSame || known.state === "insufficient data") alarms.set(alarm.name, known);
      else {
        alarms.set(alarm.name, { state: "insufficient data", transition: known.transition + 1 });
        restarted.push(alarm.name);
      }
    }
    for (const [name, { transition }] of before) if (!alarms.has(name)) gone.set(name, transition);
    return { alarms, restarted };
  }

  #alarms(): Map<string, Map<string, Expected>> {
    const clusters = [...this.folder.clusters].map(([id, { alarms }]) => {
      const all = [...alarms.values()].map(
        ({ alarm, state, transition }) => [alarm.name, { state, transition }] as const,
      );
      return [id, new Map(all)] as const;
    });
    return new Map(clusters);
  }

  #lanes(): Map<string, Lane> {
    return new Map([...this.folder.clusters].map(([id, { lane }]) => [id, structuredClone(lane)]));
  }
}
