import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { copiesIn } from "../../src/config/lastGood.ts";
import type { RuleChange } from "../../src/config/reconcile.ts";
import { RuleWatcher } from "../../src/config/watch.ts";
import { TocsinError } from "../../src/lib/errors.ts";
import type { Logger } from "../../src/ports.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { aFileSpec, anAlarmSpec, textOf } from "../helpers/ruleTexts.ts";
import { temporaryFolder } from "../helpers/sockets.ts";
import { DEFAULTS } from "./loading.ts";

const WEB = aFileSpec("web");
const SHOP = aFileSpec("shop");
const withThreshold = (threshold: number, spec = WEB) => ({
  ...spec,
  alarms: spec.alarms.map((alarm) => ({ ...alarm, threshold })),
});

/** Knows whether anything waits for it: while a look is under way nothing does. */
class WaitingClock extends FakeClock {
  waiting = 0;
  set = 0;

  override after(delayMs: number, run: () => void) {
    this.set++;
    this.waiting++;
    let waits = true;
    const end = () => {
      if (waits) this.waiting--;
      waits = false;
    };
    const timer = super.after(delayMs, () => {
      end();
      run();
    });
    return {
      cancel() {
        end();
        timer.cancel();
      },
    };
  }
}

/** Resolves as soon as it is so. */
async function soon(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`${what}: not within 15 s`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** A watcher on real files, whose time goes on only when something is waited for. */
class Watched implements AsyncDisposable {
  readonly folder = temporaryFolder();
  readonly rules = join(this.folder.path, "rules");
  readonly clock = new WaitingClock();
  readonly lines: string[] = [];
  readonly changes: RuleChange[] = [];
  /** Applying fails of this. */
  refuses: Error | undefined;
  #watcher: RuleWatcher | undefined;

  constructor(files: Readonly<Record<string, string>> = { "web.yaml": textOf(WEB), "shop.yaml": textOf(SHOP) }) {
    mkdirSync(this.rules);
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.rules, name), text);
  }

  remove(name: string): void {
    rmSync(join(this.rules, name));
  }

  async start({ path = this.rules, watch = true } = {}): Promise<RuleWatcher> {
    await this.#watcher?.[Symbol.asyncDispose]();
    const { clock } = this;
    const say =
      (level: string) =>
      (text: string, fields: object = {}) => {
        this.lines.push(`${level} ${text} ${JSON.stringify(fields)}`);
      };
    const log: Logger = { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
    const copies = copiesIn(join(this.folder.path, "data", "rules"));
    const opened = RuleWatcher.open({ path, cwd: this.folder.path, clock, log, defaults: DEFAULTS, copies, watch });
    let done = false;
    opened.then(
      () => {
        done = true;
      },
      () => {
        done = true;
      },
    );
    await this.until("the first looks", () => done);
    const watcher = await opened;
    this.#watcher = watcher;
    await watcher.start(async (change) => {
      if (this.refuses) throw this.refuses;
      this.changes.push(change);
    });
    return watcher;
  }

  /** Time goes on, look by look, until it is so. */
  async until(what: string, condition: () => boolean): Promise<void> {
    await soon(what, () => {
      if (condition()) return true;
      if (this.clock.waiting > 0) this.clock.advance(250);
      return false;
    });
  }

  /** So many looks, each to its end: that is when the next is waited for. */
  async looks(count: number): Promise<void> {
    for (let looked = 0; looked < count; looked++) {
      const { set } = this.clock;
      await this.until("the end of the look", () => this.clock.set > set);
    }
  }

  /** Lines of the log that begin like that. */
  said(beginning: string): readonly string[] {
    return this.lines.filter((line) => line.startsWith(beginning));
  }

  copy(name: string): string | undefined {
    try {
      return readFileSync(join(this.folder.path, "data", "rules", name), "utf8");
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watcher?.[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
  }
}

const applied = ({ changes }: Watched) =>
  changes.map(
    (change) => `${change.kind} ${change.clusterId}${change.kind === "apply" ? ` of ${change.version.name}` : ""}`,
  );

describe("rule files are watched", () => {
  it("a change is in force two looks after it was made, all of the file or nothing", async () => {
    await using watched = new Watched();
    const watcher = await watched.start();
    expect(watcher.clusters.map(({ rules }) => [rules.clusterId, rules.file])).toEqual([
      ["shop", "rules/shop.yaml"],
      ["web", "rules/web.yaml"],
    ]);
    await watched.looks(3);
    expect(watched.changes).toEqual([]);
    watched.write(
      "web.yaml",
      textOf({ ...withThreshold(7), alarms: [...withThreshold(7).alarms.slice(0, 1), anAlarmSpec("new")] }),
    );
    await watched.looks(1);
    expect(watched.changes).toEqual([]);
    await watched.looks(1);
    expect(applied(watched)).toEqual(["apply web of web.yaml"]);
    await soon("the log", () => watched.said("info rules applied").length > 0);
    expect(watched.said("info rules applied")).toEqual([
      'info rules applied {"file":"rules/web.yaml","cluster_id":"web","added":["new"],"changed":["x"],"removed":["y"]}',
    ]);
    await watched.looks(3);
    expect(watched.changes).toHaveLength(1);
  });

  it("a file that is still being written is not read", async () => {
    await using watched = new Watched();
    await watched.start();
    const text = textOf(withThreshold(7));
    // Every one of these is a valid file, or none at all.
    for (const end of [text.indexOf("  - name: y"), 10, text.lastIndexOf("    description")]) {
      watched.write("web.yaml", text.slice(0, end));
      await watched.looks(1);
    }
    watched.write("web.yaml", text);
    await watched.looks(2);
    expect(applied(watched)).toEqual(["apply web of web.yaml"]);
    expect(watched.changes.map((change) => change.kind === "apply" && change.version.text)).toEqual([text]);
    expect(watched.said("error")).toEqual([]);
  });

  it("a broken file is told once, and its last good version stays, also over a restart", async () => {
    await using watched = new Watched();
    await watched.start();
    watched.write("web.yaml", textOf(withThreshold(7)));
    await watched.until("a copy", () => watched.copy("web.yaml") === textOf(withThreshold(7)));
    watched.write("web.yaml", textOf(WEB).replace("threshold", "treshold"));
    await watched.looks(5);
    const told = 'error rule file is broken {"file":"rules/web.yaml","in_force":"its last good version","errors":["';
    expect(watched.said("error")).toEqual([expect.stringContaining(told)]);
    expect(watched.said("error")[0]).toContain('14:5 E102 unknown key \\"treshold\\" in alarm \\"x\\": did you mean');
    expect(watched.lines.join()).not.toContain("http://h/");
    // Nor when it is read again after a while.
    watched.clock.advance(20_000);
    await watched.looks(3);
    expect(watched.said("error")).toHaveLength(1);

    const again = await watched.start();
    expect(again.diagnostics.map(({ code }) => code)).toContain("E102");
    expect(again.clusters.map(({ rules }) => rules.alarms[0]?.rule)).toMatchObject([{}, { threshold: 7 }]);
    watched.write("web.yaml", textOf(withThreshold(7)));
    await watched.until("that it is mended", () => watched.said("info rule file is in order again").length > 0);
    expect(applied(watched)).toEqual(["apply web of web.yaml"]);
  });

  it("without a good copy the service goes on without the cluster of a broken file", async () => {
    await using watched = new Watched({ "web.yaml": "alarms: [", "shop.yaml": textOf(SHOP) });
    const watcher = await watched.start();
    expect(watcher.clusters.map(({ rules }) => rules.clusterId)).toEqual(["shop"]);
    expect(watched.said("error rule file is broken")[0]).toContain('"in_force":"nothing of it"');
    watched.write("web.yaml", textOf(WEB));
    await watched.looks(2);
    expect(applied(watched)).toEqual(["apply web of web.yaml"]);
  });

  it("a secret that cannot be read now is a warning: the file is in force, and its copy stays over restarts", async () => {
    const text = textOf(WEB).replace('"http://h/ops"', `"http://h/\${env:OPS}"`);
    await using watched = new Watched({ "web.yaml": text, "shop.yaml": textOf(SHOP) });
    for (let starts = 0; starts < 2; starts++) {
      const watcher = await watched.start();
      expect(watcher.clusters.map(({ rules }) => rules.clusterId)).toEqual(["shop", "web"]);
      expect(watcher.diagnostics.map(({ severity, code }) => `${severity} ${code}`)).toContain("warning W006");
      expect(watcher.degraded()).toEqual([]);
      expect(watched.copy("web.yaml")).toBe(text);
    }
  });

  it("a copy that does not validate now stays as long as its file is there, broken or not", async () => {
    await using watched = new Watched({ "web.yaml": "alarms: [", "shop.yaml": textOf(SHOP) });
    const stale = textOf(WEB).replace("version: 1", "version: 9");
    const copies = copiesIn(join(watched.folder.path, "data", "rules"));
    await copies.write("web.yaml", stale);
    await copies.write("gone.yaml", stale);
    const watcher = await watched.start();
    expect(watcher.clusters.map(({ rules }) => rules.clusterId)).toEqual(["shop"]);
    expect(watcher.degraded()).toEqual(["rules/web.yaml is broken: nothing of it is in force"]);
    expect([watched.copy("web.yaml"), watched.copy("gone.yaml")]).toEqual([stale, undefined]);
    watched.write("shop.yaml", textOf(withThreshold(7, SHOP)));
    await watched.until("the other copy", () => watched.copy("shop.yaml") === textOf(withThreshold(7, SHOP)));
    expect(watched.copy("web.yaml")).toBe(stale);
    watched.write("web.yaml", textOf(WEB));
    await watched.until("the good copy", () => watched.copy("web.yaml") === textOf(WEB));
    expect(watcher.degraded()).toEqual([]);
  });

  it("tells what is not in force as it is written", async () => {
    await using watched = new Watched();
    const watcher = await watched.start();
    expect(watcher.degraded()).toEqual([]);
    watched.write("web.yaml", "alarms: [");
    await watched.looks(3);
    expect(watcher.degraded()).toEqual(["rules/web.yaml is broken: its last good version is in force"]);
    watched.write("web.yaml", textOf({ ...WEB, rows: SHOP.rows }));
    await watched.looks(3);
    expect(watcher.degraded()).toEqual([
      expect.stringMatching(/^rules\/web\.yaml is refused \(.*\): its last good version/),
    ]);
    renameSync(watched.rules, `${watched.rules}.away`);
    await watched.looks(1);
    expect(watcher.degraded()).toEqual([expect.stringMatching(/^the rule files cannot be seen \(ENOENT/)]);
  });

  it("a deleted file retires its alarms after 10 s, and its copy goes", async () => {
    await using watched = new Watched();
    await watched.start();
    expect(watched.copy("web.yaml")).toBe(textOf(WEB));
    watched.remove("web.yaml");
    await watched.looks(39);
    expect(watched.said("warn rule file is gone")).toHaveLength(1);
    expect(watched.changes).toEqual([]);
    await watched.looks(3);
    expect(applied(watched)).toEqual(["retire web"]);
    await soon("the copy's end", () => watched.copy("web.yaml") === undefined);
    await soon("the log", () => watched.said("warn alarms retired").length > 0);
    expect(watched.copy("shop.yaml")).toBe(textOf(SHOP));
  });

  it("deleted, then written: nothing happens, and the time begins anew with a restart", async () => {
    await using watched = new Watched();
    await watched.start();
    watched.remove("web.yaml");
    await watched.looks(30);
    await watched.start();
    await watched.looks(30);
    watched.write("web.yaml", textOf(WEB));
    await watched.looks(50);
    expect(watched.changes).toEqual([]);
  });

  it("an emptied folder and one that cannot be read change nothing, also over a restart", async () => {
    await using watched = new Watched();
    await watched.start();
    watched.remove("web.yaml");
    watched.remove("shop.yaml");
    await watched.looks(50);
    expect(watched.said("error the rule files cannot be seen")).toEqual([
      'error the rule files cannot be seen: the rules in force stay {"reason":"no rule file is left"}',
    ]);
    renameSync(watched.rules, `${watched.rules}.away`);
    await watched.looks(50);
    const watcher = await watched.start();
    expect([watcher.clusters.length, watcher.trouble]).toEqual([2, expect.stringContaining("ENOENT")]);
    await watched.looks(50);
    renameSync(`${watched.rules}.away`, watched.rules);
    watched.write("web.yaml", textOf(WEB));
    watched.write("shop.yaml", textOf(SHOP));
    await watched.looks(3);
    expect(watched.said("info the rule files can be seen again")).toHaveLength(1);
    expect(watched.changes).toEqual([]);
  });

  it("a path with nothing there, and no copies, is an error", async () => {
    await using watched = new Watched();
    const opened = watched.start({ path: join(watched.folder.path, "nowhere") });
    await expect(opened).rejects.toThrow(TocsinError);
    await expect(opened).rejects.toMatchObject({ code: "E105" });
  });

  it("of two files with one cluster, or with its rows, the older one stays; the other comes in when it goes", async () => {
    await using watched = new Watched();
    await watched.start();
    watched.write("0.yaml", textOf(withThreshold(7)));
    watched.write("thief.yaml", textOf({ ...aFileSpec("thief"), rows: SHOP.rows }));
    await watched.looks(4);
    expect(watched.said("error rule file is refused").map((line) => line.slice(line.indexOf("{")))).toEqual([
      '{"file":"rules/0.yaml","in_force":"nothing of it","errors":["2:13 E207 cluster web is also in rules/web.yaml: one file for each cluster"]}',
      expect.stringContaining("E208 these rows belong to the cluster of rules/shop.yaml already"),
    ]);
    expect(watched.changes).toEqual([]);
    watched.remove("web.yaml");
    watched.write("shop.yaml", textOf({ ...SHOP, rows: "others" }));
    await watched.looks(2);
    expect(applied(watched).toSorted()).toEqual(["apply shop of shop.yaml", "apply thief of thief.yaml"]);
    // The other copy of the cluster has to wait: its file may be on its way back.
    await watched.looks(42);
    expect(applied(watched).at(-1)).toBe("apply web of 0.yaml");
    expect(applied(watched).filter((change) => change.startsWith("retire"))).toEqual([]);
  });

  it("a renamed file goes on as the same cluster, at once", async () => {
    await using watched = new Watched();
    await watched.start();
    renameSync(join(watched.rules, "web.yaml"), join(watched.rules, "front.yaml"));
    await watched.looks(2);
    expect(applied(watched)).toEqual(["apply web of front.yaml"]);
    await soon("the copies", () => watched.copy("web.yaml") === undefined && watched.copy("front.yaml") !== undefined);
    await watched.looks(50);
    expect(watched.changes).toHaveLength(1);
  });

  it("links are followed: a mounted configuration that is swapped as a whole", async () => {
    await using watched = new Watched({});
    for (const [version, threshold] of [
      ["..1", 5],
      ["..2", 7],
    ] as const) {
      mkdirSync(join(watched.rules, version));
      writeFileSync(join(watched.rules, version, "web.yaml"), textOf(withThreshold(threshold)));
    }
    symlinkSync("..1", join(watched.rules, "..data"));
    symlinkSync("..data/web.yaml", join(watched.rules, "web.yaml"));
    await watched.start();
    symlinkSync("..2", join(watched.rules, "..new"));
    renameSync(join(watched.rules, "..new"), join(watched.rules, "..data"));
    await watched.looks(2);
    expect(applied(watched)).toEqual(["apply web of web.yaml"]);
  });

  it("a single file is watched as well as a folder", async () => {
    await using watched = new Watched();
    const watcher = await watched.start({ path: join(watched.rules, "web.yaml") });
    expect(watcher.clusters.map(({ rules }) => rules.file)).toEqual(["rules/web.yaml"]);
    watched.write("web.yaml", textOf(withThreshold(7)));
    await watched.looks(2);
    expect(applied(watched)).toEqual(["apply web of web.yaml"]);
    watched.remove("web.yaml");
    await watched.looks(50);
    expect(watched.changes).toHaveLength(1);
  });

  it("what is no file of rules is left alone, or told of", async () => {
    await using watched = new Watched();
    await watched.start();
    mkdirSync(join(watched.rules, "folder.yaml"));
    for (const name of ["web.test.yaml", ".hidden.yaml", "notes.txt"]) watched.write(name, "- nonsense");
    watched.write("large.yaml", "#".repeat(1024 * 1024 + 1));
    await watched.looks(3);
    expect(watched.said("error").map((line) => /"file":"([^"]*)".*(E105 [^"]*)"/.exec(line)?.slice(1))).toEqual([
      ["rules/folder.yaml", "E105 cannot read the file: it is no file"],
      ["rules/large.yaml", "E105 cannot read the file: the file has 1048577 bytes, more than 1048576"],
    ]);
    expect(watched.changes).toEqual([]);
  });

  it("the same text again, or another time of change, is no change", async () => {
    await using watched = new Watched();
    await watched.start();
    watched.write("web.yaml", textOf(WEB));
    utimesSync(join(watched.rules, "shop.yaml"), 1, 1);
    await watched.looks(5);
    expect(watched.changes).toEqual([]);
  });

  it("what cannot be recorded is tried at every look, and told once", async () => {
    await using watched = new Watched();
    await watched.start();
    watched.refuses = new TocsinError("E404", "nothing can be recorded");
    watched.write("web.yaml", textOf(withThreshold(7)));
    await watched.looks(5);
    expect(watched.said("error rules cannot be applied now")).toHaveLength(1);
    expect(watched.copy("web.yaml")).toBe(textOf(WEB));
    watched.refuses = undefined;
    await watched.looks(1);
    expect(applied(watched)).toEqual(["apply web of web.yaml"]);
    await soon("the copy", () => watched.copy("web.yaml") === textOf(withThreshold(7)));
  });

  it("with watch: false nothing is looked at after the start, where a file that is gone is gone", async () => {
    await using watched = new Watched();
    await watched.start();
    watched.remove("shop.yaml");
    const watcher = await watched.start({ watch: false });
    expect(watcher.clusters.map(({ rules }) => rules.clusterId)).toEqual(["web"]);
    expect(watched.copy("shop.yaml")).toBeUndefined();
    const { set } = watched.clock;
    watched.write("web.yaml", textOf(withThreshold(7)));
    watched.clock.advance(60_000);
    expect(watched.clock.set).toBe(set);
    expect(watched.changes).toEqual([]);
  });

  it("copies that cannot be written are told of once, and written when they can be", async () => {
    await using watched = new Watched();
    writeFileSync(join(watched.folder.path, "data"), "in the way");
    await watched.start();
    await watched.looks(3);
    expect(watched.said("error a copy of the rules cannot be kept")).toHaveLength(1);
    rmSync(join(watched.folder.path, "data"));
    await watched.looks(1);
    await soon("the copies", () => watched.copy("web.yaml") === textOf(WEB) && watched.copy("shop.yaml") !== undefined);
  });
});
