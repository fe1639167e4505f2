import { describe, expect, it } from "vitest";
import { RuleFolder } from "../helpers/ruleFolder.ts";
import type { FileSpec } from "../helpers/ruleTexts.ts";
import { aFileSpec, textOf } from "../helpers/ruleTexts.ts";

const spec = (clusterId: string, rows: string): FileSpec => ({ ...aFileSpec(clusterId), rows });
const SETTLED_MS = 500;
const WEB = spec("web", "web");
const SHOP = spec("shop", "shop");

interface Case {
  readonly name: string;
  /** In force at the beginning, by file. */
  readonly before: Readonly<Record<string, FileSpec>>;
  readonly play: (folder: RuleFolder) => void;
  /** Cluster, file and rows of what is in force at the end. */
  readonly after: readonly string[];
}

const put = (folder: RuleFolder, files: Readonly<Record<string, FileSpec>>) => {
  for (const [name, one] of Object.entries(files)) folder.write(name, textOf(one));
};

const cases: readonly Case[] = [
  {
    name: "a file is read when two looks find it the same",
    before: {},
    play: (folder) => {
      put(folder, { "web.yaml": WEB });
      folder.wait(SETTLED_MS);
    },
    after: ["web web.yaml web"],
  },
  {
    name: "one look is not enough",
    before: {},
    play: (folder) => {
      put(folder, { "web.yaml": WEB });
      folder.look();
    },
    after: [],
  },
  {
    name: "two new files with one cluster: the first by name",
    before: {},
    play: (folder) => {
      put(folder, { "b.yaml": spec("web", "b"), "a.yaml": spec("web", "a") });
      folder.wait(SETTLED_MS);
    },
    after: ["web a.yaml a"],
  },
  {
    name: "two files give their rows to each other in one change",
    before: { "a.yaml": spec("a", "one"), "b.yaml": spec("b", "two") },
    play: (folder) => {
      put(folder, { "a.yaml": spec("a", "two"), "b.yaml": spec("b", "one") });
      folder.wait(SETTLED_MS);
    },
    after: ["a a.yaml two", "b b.yaml one"],
  },
  {
    name: "two files change clusters in one change",
    before: { "a.yaml": spec("a", "one"), "b.yaml": spec("b", "two") },
    play: (folder) => {
      put(folder, { "a.yaml": spec("b", "two"), "b.yaml": spec("a", "one") });
      folder.wait(SETTLED_MS);
    },
    after: ["a b.yaml one", "b a.yaml two"],
  },
  {
    name: "two changed files want the same rows: who had them keeps them",
    before: { "a.yaml": spec("a", "one"), "b.yaml": spec("b", "two") },
    play: (folder) => {
      put(folder, { "a.yaml": spec("a", "two"), "b.yaml": { ...spec("b", "two"), alarms: [] } });
      folder.wait(SETTLED_MS);
    },
    after: ["a a.yaml one", "b b.yaml two"],
  },
  {
    name: "rows move to another file: it gets them when the one before lets go",
    before: { "a.yaml": spec("a", "one"), "b.yaml": spec("b", "two") },
    play: (folder) => {
      put(folder, { "b.yaml": spec("b", "o*") });
      folder.wait(SETTLED_MS);
      expect(said(folder)).toEqual(["a a.yaml one", "b b.yaml two"]);
      put(folder, { "a.yaml": spec("a", "three") });
      folder.wait(SETTLED_MS);
    },
    after: ["a a.yaml three", "b b.yaml o*"],
  },
  {
    name: "a cluster that is refused falls back to its own version, and that pushes out who wanted its rows",
    before: { "a.yaml": spec("a", "one"), "b.yaml": spec("b", "two"), "c.yaml": spec("c", "three") },
    play: (folder) => {
      put(folder, { "a.yaml": spec("a", "two"), "b.yaml": spec("b", "three") });
      folder.wait(SETTLED_MS);
    },
    after: ["a a.yaml one", "b b.yaml two", "c c.yaml three"],
  },
  {
    name: "a deleted file counts for 10 s",
    before: { "web.yaml": WEB, "shop.yaml": SHOP },
    play: (folder) => {
      folder.files.delete("web.yaml");
      folder.wait(10_000);
    },
    after: ["shop shop.yaml shop", "web web.yaml web"],
  },
  {
    name: "and then no longer",
    before: { "web.yaml": WEB, "shop.yaml": SHOP },
    play: (folder) => {
      folder.files.delete("web.yaml");
      folder.wait(10_250);
    },
    after: ["shop shop.yaml shop"],
  },
  {
    name: "its rows are free only then",
    before: { "web.yaml": WEB, "shop.yaml": SHOP },
    play: (folder) => {
      folder.files.delete("web.yaml");
      put(folder, { "new.yaml": spec("new", "web") });
      folder.wait(10_000);
      expect(said(folder)).toEqual(["shop shop.yaml shop", "web web.yaml web"]);
      folder.wait(250);
    },
    after: ["new new.yaml web", "shop shop.yaml shop"],
  },
  {
    name: "while nobody can look, no time passes for a file that is gone",
    before: { "web.yaml": WEB, "shop.yaml": SHOP },
    play: (folder) => {
      folder.files.delete("web.yaml");
      folder.wait(9000);
      folder.view = "unreadable";
      folder.wait(60_000);
      folder.view = "as it is";
      folder.wait(9000);
    },
    after: ["shop shop.yaml shop", "web web.yaml web"],
  },
  {
    name: "a second copy of a cluster does not take its place while its file is being written again",
    before: { "web.yaml": WEB, "shop.yaml": SHOP },
    play: (folder) => {
      put(folder, { "copy.yaml": spec("web", "copied") });
      folder.wait(SETTLED_MS);
      folder.files.delete("web.yaml");
      folder.wait(5000);
      put(folder, { "web.yaml": spec("web", "newer") });
      folder.wait(SETTLED_MS);
    },
    after: ["shop shop.yaml shop", "web web.yaml newer"],
  },
  {
    name: "nor when the folder could not be read between",
    before: { "web.yaml": WEB, "shop.yaml": SHOP },
    play: (folder) => {
      put(folder, { "copy.yaml": spec("web", "copied") });
      folder.wait(SETTLED_MS);
      folder.view = "unreadable";
      folder.wait(5000);
      folder.files.delete("web.yaml");
      folder.view = "as it is";
      folder.wait(5000);
    },
    after: ["shop shop.yaml shop", "web web.yaml web"],
  },
  {
    name: "a file that is renamed and edited at once goes on as the same cluster",
    before: { "web.yaml": WEB },
    play: (folder) => {
      folder.rename("web.yaml", "front.yaml");
      put(folder, { "front.yaml": spec("web", "front") });
      folder.wait(SETTLED_MS);
    },
    after: ["web front.yaml front"],
  },
  {
    name: "one that is renamed and wants what another has does not",
    before: { "web.yaml": WEB, "shop.yaml": SHOP },
    play: (folder) => {
      folder.rename("web.yaml", "front.yaml");
      put(folder, { "front.yaml": spec("web", "shop") });
      folder.wait(SETTLED_MS);
    },
    after: ["shop shop.yaml shop", "web web.yaml web"],
  },
  {
    name: "a file that changes to another cluster ends the one before",
    before: { "web.yaml": WEB },
    play: (folder) => {
      put(folder, { "web.yaml": spec("other", "web") });
      folder.wait(SETTLED_MS);
    },
    after: ["other web.yaml web"],
  },
];

function said({ inForce }: RuleFolder): readonly string[] {
  return [...inForce].map(([id, { name, cluster }]) => `${id} ${name} ${cluster.rules.rows[0]?.pattern}`).toSorted();
}

describe("what is in force", () => {
  it.each(cases)("$name", ({ before, play, after }) => {
    const folder = new RuleFolder();
    put(folder, before);
    folder.wait(SETTLED_MS);
    expect(folder.inForce.size).toBe(Object.keys(before).length);
    play(folder);
    expect(said(folder)).toEqual(after);
    // What is applied is what is in force: nothing is left to be done, and nothing left over.
    const working = [...folder.clusters.values()].filter(({ rules }) => rules !== undefined && rules.alarms.length > 0);
    expect(working.map(({ clusterId }) => clusterId).toSorted()).toEqual(
      [...folder.inForce].flatMap(([id, { cluster }]) => (cluster.rules.alarms.length > 0 ? [id] : [])).toSorted(),
    );
  });
});
