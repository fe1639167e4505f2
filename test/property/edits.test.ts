import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RuleFolder } from "../helpers/ruleFolder.ts";
import { counted, RulePlayer, SETTLED_MS } from "../helpers/rulePlayer.ts";
import type { FileSpec, Pick } from "../helpers/ruleTexts.ts";
import { edited, textOf } from "../helpers/ruleTexts.ts";

/** Shorter and longer than a file may be gone. */
const GONE = { briefly: [250, 500, 4000, 9000], forGood: 10_750 };
const NOTHING: ReadonlyMap<string, FileSpec> = new Map();

/** One step: a file of the folder, chosen, and what is needed to do something to it. */
interface Turn {
  readonly player: RulePlayer;
  readonly folder: RuleFolder;
  readonly pick: Pick;
  readonly id: string;
  readonly file: string;
  readonly spec: FileSpec;
  /** Another file, if there is one. */
  readonly other: { readonly file: string; readonly spec: FileSpec } | undefined;
  /** A file is written as a whole, and then there for a while. */
  readonly write: (name: string, spec: FileSpec) => void;
  /** The service is restarted here, in some of the sequences. */
  readonly restart: boolean;
  readonly maybeRestart: () => void;
}

const PLAYS = {
  edit({ player, folder, pick, id, file, spec, maybeRestart }: Turn) {
    const next = edited(spec, pick);
    player.change(new Map([[id, next]]), () => {
      folder.write(file, textOf(next));
      maybeRestart();
      folder.wait(SETTLED_MS);
    });
  },

  "swap rows"({ player, folder, id, file, spec, other, write }: Turn) {
    if (!other) return;
    const mine = { ...spec, rows: other.spec.rows };
    const theirs = { ...other.spec, rows: spec.rows };
    const said = new Map([
      [id, mine],
      [theirs.clusterId, theirs],
    ]);
    player.change(said, () => {
      folder.write(file, textOf(mine));
      write(other.file, theirs);
    });
  },

  broken({ player, folder, pick, file, spec, maybeRestart }: Turn) {
    const text = textOf(spec);
    const broken = [
      "alarms: [",
      "",
      "# nothing\n",
      text.replace("threshold", "treshold: 1\n    threshold"),
      text.replace("receiver:", "receiver:no"),
    ];
    player.change(NOTHING, () => {
      folder.write(file, pick(broken));
      folder.wait(pick([SETTLED_MS, 12_000]));
      maybeRestart();
      folder.wait(SETTLED_MS);
    });
  },

  "half-written"({ player, folder, pick, id, file, spec, write }: Turn) {
    const next = edited(spec, pick);
    const text = textOf(next);
    const ends = [...text.matchAll(/\n/g)].map(({ index }) => index + 1);
    player.change(new Map([[id, next]]), () => {
      for (const cut of [pick(ends), pick([0, 10, text.length - 5])]) {
        folder.write(file, text.slice(0, cut));
        folder.look();
      }
      write(file, next);
    });
  },

  "delete, then write"({ player, folder, pick, id, file, spec, write, maybeRestart }: Turn) {
    const next = pick([spec, edited(spec, pick)]);
    player.change(new Map([[id, next]]), () => {
      folder.files.delete(file);
      folder.wait(pick(GONE.briefly));
      maybeRestart();
      write(file, next);
    });
  },

  delete({ player, folder, pick, id, file, spec, write, maybeRestart }: Turn) {
    // The last one that goes leaves an emptied folder: that says nothing.
    const isLast = folder.files.size === 1;
    player.change(isLast ? NOTHING : new Map([[id, undefined]]), () => {
      folder.files.delete(file);
      folder.wait(pick(GONE.briefly));
      maybeRestart();
      folder.wait(GONE.forGood);
    });
    if (isLast) player.change(NOTHING, () => write(file, spec));
  },

  "out of sight"({ player, folder, pick, maybeRestart }: Turn) {
    player.change(NOTHING, () => {
      folder.view = pick(["emptied", "unreadable"] as const);
      folder.wait(pick([250, 20_000]));
      maybeRestart();
      folder.wait(pick([250, 20_000]));
      folder.view = "as it is";
      folder.wait(GONE.forGood);
    });
  },

  duplicate(turn: Turn) {
    const { player, folder, pick, id, file, spec, write, maybeRestart } = turn;
    const copy = player.freshName(pick(["", "~"]));
    const theirs = edited(spec, pick);
    player.change(NOTHING, () => {
      write(copy, theirs);
      maybeRestart();
      folder.wait(SETTLED_MS);
    });
    const goes = () => {
      folder.files.delete(file);
      folder.wait(pick(GONE.briefly));
      maybeRestart();
    };
    if (pick([true, false])) {
      player.change(new Map([[id, theirs]]), () => {
        goes();
        folder.wait(GONE.forGood);
      });
      player.holders.set(id, { file: copy, spec: theirs });
      return;
    }
    player.change(NOTHING, () => {
      goes();
      write(file, spec);
    });
    player.change(NOTHING, () => {
      folder.files.delete(copy);
      folder.wait(SETTLED_MS);
    });
  },

  rename({ player, folder, pick, id, file, spec, write, restart, maybeRestart }: Turn) {
    const name = player.freshName(pick(["", "m", "~"]));
    player.change(NOTHING, () => write(file, spec));
    const next = pick([spec, edited(spec, pick)]);
    player.change(new Map([[id, next]]), () => {
      folder.rename(file, name);
      if (next !== spec) folder.write(name, textOf(next));
      maybeRestart();
      // After a restart nobody knows that the two are one: the new name has to wait.
      folder.wait(restart ? GONE.forGood : SETTLED_MS);
    });
    player.holders.set(id, { file: name, spec: next });
  },

  "claim what another has"({ player, folder, file, spec, other, write, maybeRestart }: Turn) {
    if (!other) return;
    player.change(NOTHING, () => {
      write(file, { ...spec, rows: other.spec.rows });
      maybeRestart();
      folder.wait(SETTLED_MS);
    });
    player.change(NOTHING, () => write(file, spec));
  },

  create({ player, pick }: Turn) {
    // Rows are exchanged: a new file must not want what another has got.
    const rows = [...player.holders.values()].map(({ spec }) => spec.rows);
    const free = ["A", "B", "C"].filter(
      (id) => !player.holders.has(id) && !rows.some((one) => one.startsWith(`${id}-`)),
    );
    if (free.length > 0) player.create(pick(free));
  },

  restart({ player, folder }: Turn) {
    player.change(NOTHING, () => folder.restart());
  },

  ticks({ folder, pick }: Turn) {
    for (let tick = pick([1, 2, 8]); tick > 0; tick--) folder.tick(pick([0, 5, 30, 90]));
  },
};

type Kind = keyof typeof PLAYS;
const WEIGHTS: Partial<Record<Kind, number>> = { edit: 3, ticks: 4 };
const kinds = (Object.keys(PLAYS) as Kind[]).flatMap((kind) => Array.from({ length: WEIGHTS[kind] ?? 1 }, () => kind));

interface Step {
  readonly kind: Kind;
  readonly choices: readonly number[];
  readonly restart: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...kinds),
  choices: fc.array(fc.nat(1000), { minLength: 8, maxLength: 8 }),
  restart: fc.boolean(),
});

function play(player: RulePlayer, { kind, choices, restart }: Step): void {
  const { folder, holders } = player;
  let at = 0;
  const pick: Pick = (from) => from[(choices[at++ % choices.length] ?? 0) % from.length]!;
  const id = pick([...holders.keys()]);
  const write = (name: string, spec: FileSpec) => {
    folder.write(name, textOf(spec));
    folder.wait(SETTLED_MS);
  };
  const maybeRestart = () => {
    if (restart) folder.restart();
  };
  const other = [...holders].find(([one]) => one !== id)?.[1];
  PLAYS[kind]({ player, folder, pick, id, ...holders.get(id)!, other, write, restart, maybeRestart });
}

describe("no edit of rule files loses the state of an alarm that measures what it did", () => {
  it("any sequence of edits, good and bad, with restarts in between", () => {
    const runs = process.env.TOCSIN_TEST_FULL ? 10_000 : 300;
    const holds = fc.property(fc.array(step, { minLength: 4, maxLength: 16 }), (steps) => {
      const player = new RulePlayer();
      for (const one of steps) play(player, one);
    });
    const seed = Math.floor(Math.random() * 2 ** 31);
    fc.assert(holds, { numRuns: runs, seed });
    const { kept, anew, retired, lanes } = counted;
    console.log(
      `edit sequences=${runs} seed=${seed} wrong=0 (kept=${kept} anew=${anew} retired=${retired} lanes=${lanes})`,
    );
    expect(Math.min(kept, anew, retired, lanes)).toBeGreaterThan(runs / 10);
  }, 600_000);
});
