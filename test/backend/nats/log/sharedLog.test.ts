import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { headers } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readRecords } from "../../../../src/backend/nats/log/records.ts";
import { lastRecord } from "../../../../src/backend/nats/log/recordsGet.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import { Refused } from "../../../../src/lib/refused.ts";
import { cutLine } from "../../../helpers/cutLine.ts";
import { commitOf, logWorld, until } from "../../../helpers/logWorld.ts";
import { setUpLog } from "../../../helpers/natsBus.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import { anAlarm, theRules } from "../../../helpers/rules.ts";

let node: NatsNode;
beforeAll(async () => {
  node = await startNats("max_payload: 65536");
});
afterAll(() => node[Symbol.asyncDispose]());

const never = () => {
  throw new Error("refused");
};

/** A clock whose time goes on when a test says so. */
function aheadBy() {
  const ahead = { ms: 0, clock: { ...systemClock, monotonic: () => systemClock.monotonic() + ahead.ms } };
  return ahead;
}

/** What looks impossible is looked at for long before it is believed. */
async function refusedInTime(commit: Promise<void>, ahead: { ms: number }) {
  let error: unknown;
  commit.catch((thrown) => {
    error = thrown;
  });
  await until(() => {
    ahead.ms += 500;
    return error !== undefined;
  });
  expect(error).toBeInstanceOf(Refused);
}

describe("claims on one partition", () => {
  it("N2: what was read before somebody else appended is refused, once told, and for ever", async () => {
    await using world = await logWorld(node.url);
    const [one, other] = [await world.engine(), await world.engine()];
    const refused: string[] = [];
    const first = await one.shared.partition(0, (clusterId) => refused.push(clusterId));
    await first.load();
    await first.commit(commitOf("web", 1));
    await first.commit(commitOf("db", 1));
    const second = await other.shared.partition(0, never);
    expect((await second.load()).map(({ snapshot }) => [snapshot.clusterId, snapshot.seq])).toEqual([
      ["db", 1],
      ["web", 1],
    ]);
    await second.commit(commitOf("web", 2));
    await expect(first.commit(commitOf("web", 2))).rejects.toThrow(Refused);
    await expect(first.commit(commitOf("web", 2))).rejects.toThrow(Refused);
    expect(refused).toEqual(["web"]);
    await first.commit(commitOf("db", 2));
    const reloaded = await one.shared.partition(0, never);
    expect((await reloaded.load()).map(({ snapshot }) => snapshot.seq)).toEqual([2, 2]);
    await reloaded.commit(commitOf("web", 3));
    expect((await readRecords(world.link, "web")).map(({ commit }) => commit.snapshot.seq)).toEqual([1, 2, 3]);
  });

  it("what is loaded later does not make up for what was appended since", async () => {
    await using world = await logWorld(node.url);
    const [one, other] = [await world.engine(), await world.engine()];
    const stale = await one.shared.partition(0, () => {});
    await stale.load();
    const owner = await other.shared.partition(0, never);
    await owner.commit(commitOf("new", 1));
    await until(async () => (await one.shared.all.load()).length === 1);
    expect(await stale.load()).toHaveLength(1);
    await expect(stale.commit(commitOf("new", 1))).rejects.toThrow(Refused);
  });

  it("a claim that is given up, and a log that is closed, commit nothing more", async () => {
    await using world = await logWorld(node.url);
    const engine = await world.engine();
    const claim = await engine.shared.partition(0, never);
    await claim.commit(commitOf("web", 1));
    await claim.close();
    await expect(claim.commit(commitOf("web", 2))).rejects.toThrow("given up");
    const other = await engine.shared.partition(0, never);
    await engine.shared.close();
    await expect(other.commit(commitOf("web", 2))).rejects.toThrow("closed");
    await expect(engine.shared.all.commit(commitOf("web", 2))).rejects.toThrow("to read");
    expect(await readRecords(world.link, "web")).toHaveLength(1);
  });

  it("every accepted append of racing claims is one chain, and no other is in the log", {
    timeout: 60_000,
  }, async () => {
    await using world = await logWorld(node.url);
    const clusters = ["a", "b", "ü/.*"];
    const accepted = new Map(clusters.map((id) => [id, [] as string[]]));
    let [left, refusals, seed] = [2000, 0, 1];
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    const race = async (name: string) => {
      const engine = await world.engine();
      for (let round = 0; left > 0; round++) {
        const claim = await engine.shared.partition(0, () => {});
        const known = new Map((await claim.load()).map(({ snapshot }) => [snapshot.clusterId, snapshot.seq]));
        let appends = 1 + random(60);
        await Promise.all(
          clusters.map(async (id) => {
            for (let seq = (known.get(id) ?? 0) + 1; appends > 0 && left > 0; seq++) {
              appends--;
              const doc = `${name}.${round}.${seq}`;
              try {
                await claim.commit(commitOf(id, seq, { snapshot: { clusterId: id, seq, doc } }));
              } catch (error) {
                expect(error).toBeInstanceOf(Refused);
                refusals++;
                return;
              }
              left--;
              accepted.get(id)?.push(doc);
            }
          }),
        );
        await claim.close();
      }
    };
    await Promise.all(["x", "y", "z"].map(race));
    let appended = 0;
    for (const id of clusters) {
      const records = await readRecords(world.link, id);
      appended += records.length;
      expect(records.map(({ follows }) => follows)).toEqual([0, ...records.slice(0, -1).map(({ seq }) => seq)]);
      expect(records.map(({ commit }) => commit.snapshot.seq)).toEqual(records.map((_, n) => n + 1));
      expect(records.map(({ commit }) => commit.snapshot.doc).sort()).toEqual(accepted.get(id)?.sort());
      expect(new Set(records.map(({ appendId }) => appendId)).size).toBe(records.length);
    }
    console.log(`appended=${appended} refused=${refusals}`);
    expect(appended).toBeGreaterThanOrEqual(2000);
    expect(refusals).toBeGreaterThan(0);
  });
});

describe("an append", () => {
  it("N2: that was stored and not answered is found, and is there once", async () => {
    await using world = await logWorld(node.url);
    await using line = await cutLine(node.port);
    const engine = await world.engine({ servers: line.url });
    const claim = await engine.shared.partition(0, never);
    line.hang("back");
    const commit = claim.commit(commitOf("web", 1));
    await until(async () => (await lastRecord(world.link, "web")) !== undefined);
    line.cut();
    line.mend();
    await commit;
    await claim.commit(commitOf("web", 2));
    expect((await readRecords(world.link, "web")).map(({ commit: { snapshot } }) => snapshot.seq)).toEqual([1, 2]);
    expect((await claim.load())[0]?.snapshot.seq).toBe(2);
  });

  it("that reached nobody waits for the bus, and is made when that is back", async () => {
    await using world = await logWorld(node.url);
    await using line = await cutLine(node.port);
    const engine = await world.engine({ servers: line.url });
    const claim = await engine.shared.partition(0, never);
    await claim.commit(commitOf("web", 1));
    line.hang("there");
    const commits = Promise.all([claim.commit(commitOf("web", 2)), claim.commit(commitOf("db", 1))]);
    line.cut();
    await until(() => !engine.link.isUp());
    line.mend(true);
    await commits;
    expect((await claim.load()).map(({ snapshot }) => snapshot.seq)).toEqual([1, 2]);
  });

  it("larger than a message goes in pieces", async () => {
    await using world = await logWorld(node.url);
    const engine = await world.engine();
    const claim = await engine.shared.partition(0, never);
    const doc = Array.from({ length: 60_000 }, (_, n) => Math.sin(n)).join();
    await claim.commit(commitOf("web", 1, { snapshot: { clusterId: "web", seq: 1, doc } }));
    await claim.commit(commitOf("web", 2));
    const [large] = await readRecords(world.link, "web");
    expect(large?.commit.snapshot.doc).toBe(doc);
    const { state } = await world.link.jsm.streams.info(world.link.names.log);
    expect(state.messages).toBeGreaterThan(5);
    const fresh = await world.engine();
    expect((await (await fresh.shared.partition(0, never)).inputs("web")).map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it("larger than a message is cut by what the last server took, while there is none", async () => {
    await using own = await startNats("max_payload: 65536");
    await using world = await logWorld(own.url);
    const engine = await world.engine();
    const claim = await engine.shared.partition(0, never);
    await own.kill();
    await until(() => !engine.link.isUp());
    const doc = Array.from({ length: 20_000 }, (_, n) => Math.sin(n)).join();
    const commit = claim.commit(commitOf("web", 1, { snapshot: { clusterId: "web", seq: 1, doc } }));
    await Promise.race([commit, new Promise((resolve) => setImmediate(resolve))]);
    await own.start();
    await commit;
    await until(() => world.link.isUp());
    expect((await readRecords(world.link, "web"))[0]?.commit.snapshot.doc).toBe(doc);
  });

  it("of a log that is full, or too large for it, is told, and may be made again", async () => {
    await using world = await logWorld(node.url, 1, 1500);
    const engine = await world.engine();
    const claim = await engine.shared.partition(0, never);
    await claim.commit(commitOf("web", 1));
    const noise = Array.from({ length: 200 }, (_, n) => Math.sin(n)).join();
    const commit = commitOf("web", 2, { snapshot: { clusterId: "web", seq: 2, doc: noise } });
    await expect(claim.commit(commit)).rejects.toMatchObject({ code: "E621" });
    const { jsm, names } = world.link;
    await jsm.streams.update(names.log, { max_bytes: -1, max_msg_size: 600 });
    await expect(claim.commit(commit)).rejects.toMatchObject({ code: "E622" });
    await jsm.streams.update(names.log, { max_msg_size: -1 });
    await claim.commit(commit);
    expect(await readRecords(world.link, "web")).toHaveLength(2);
  });
});

describe("the index", () => {
  it("goes on from where it stood, takes again what it had beyond that, and nothing twice", async () => {
    await using world = await logWorld(node.url);
    let engine = await world.engine();
    let claim = await engine.shared.partition(0, never);
    await claim.commit(commitOf("web", 1));
    await claim.load();
    engine = await engine.again();
    const position = `${engine.folder}/log.position`;
    cpSync(position, `${position}.old`);
    claim = await engine.shared.partition(0, never);
    for (const seq of [1, 2, 3]) await claim.commit(commitOf("db", seq));
    await claim.commit(commitOf("web", 2));
    await claim.load();
    await engine.close();
    cpSync(`${position}.old`, position);
    engine = await engine.again();
    claim = await engine.shared.partition(0, never);
    expect((await claim.load()).map(({ snapshot }) => snapshot.seq)).toEqual([3, 2]);
    await claim.commit(commitOf("web", 3));
    await claim.commit(commitOf("db", 4));
    expect((await claim.inputs("db")).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(engine.said.filter((text) => /^(error|warn)/.test(text))).toEqual([]);
  });

  it("is made anew where it or its place is gone", async () => {
    await using world = await logWorld(node.url);
    let engine = await world.engine();
    const claim = await engine.shared.partition(0, never);
    await claim.commit(commitOf("web", 1));
    await claim.load();
    for (const file of ["state.db", "log.position"]) {
      await engine.close();
      rmSync(`${engine.folder}/${file}`);
      engine = await engine.again();
      const anew = await engine.shared.partition(0, never);
      expect((await anew.load()).map(({ snapshot }) => snapshot.seq)).toEqual([1]);
      expect(await anew.inputs("web")).toHaveLength(1);
    }
  });

  it("is made anew, and says so, when the log is another, has lost its end, or its beginning before that was read", async () => {
    await using world = await logWorld(node.url);
    const { jsm, names } = world.link;
    let engine = await world.engine();
    const ahead = aheadBy();
    const writer = await world.engine({ clock: ahead.clock });
    const claim = await writer.shared.partition(0, () => {});
    for (const seq of [1, 2, 3]) await claim.commit(commitOf("web", seq));
    await (await engine.shared.partition(0, never)).load();
    // Another stream, under a reader that is there: it sees that by itself.
    await jsm.streams.delete(names.log);
    await setUpLog(world.link);
    await until(() => engine.said.some((text) => /^error .*not the one that was followed/.test(text)));
    await refusedInTime(claim.commit(commitOf("web", 4)), ahead);
    expect([engine.shared.takeLoss(0), engine.shared.takeLoss(0), engine.shared.takeLoss(1)]).toEqual([
      true,
      false,
      true,
    ]);
    const anew = await engine.shared.partition(0, never);
    expect(await anew.load()).toEqual([]);
    for (const seq of [1, 2, 3]) await anew.commit(commitOf("web", seq));
    await anew.load();
    // What came after is gone while it is away, and so is all that it had read.
    await engine.close();
    const later = await (await world.engine()).shared.partition(0, never);
    await later.load();
    for (const seq of [4, 5]) await later.commit(commitOf("web", seq));
    await jsm.streams.purge(names.log, { seq: 5 });
    engine = await engine.again();
    const last = await engine.shared.partition(0, never);
    expect((await last.load()).map(({ snapshot }) => snapshot.seq)).toEqual([5]);
    expect((await last.inputs("web")).map(({ seq }) => seq)).toEqual([5]);
    // What was trimmed while nobody was there to read it is no loss.
    expect(engine.shared.takeLoss(0)).toBe(false);
    expect(engine.said.filter((text) => text.startsWith("error"))).toEqual([
      "error the log is not the one that was followed: its index is made anew",
      "error records are missing from the log",
    ]);
  });

  it("is made anew when the log is one of the past: a restored copy", async () => {
    await using world = await logWorld(node.url);
    const { jsm, names } = world.link;
    const ahead = aheadBy();
    let engine = await world.engine({ clock: ahead.clock });
    const claim = await engine.shared.partition(0, never);
    for (const seq of [1, 2, 3]) await claim.commit(commitOf("web", seq));
    await claim.load();
    await engine.close();
    // The place as it would be after more had been read: of this very stream, and beyond its end.
    const file = `${engine.folder}/log.position`;
    const [version, stream, , ...rest] = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify([version, stream, 99, ...rest]));
    engine = await engine.again();
    // A leader that lags is not believed at once, however often it is asked.
    const looks = vi.spyOn(engine.link.jsm.streams, "info");
    await until(() => looks.mock.calls.length > 5);
    expect(engine.said.filter((text) => text.startsWith("error"))).toEqual([]);
    ahead.ms += 15_000;
    await engine.shared.caughtUp;
    expect(engine.said.filter((text) => text.startsWith("error"))).toHaveLength(1);
    expect((await engine.shared.all.inputs("web")).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect((await jsm.streams.info(names.log)).state.last_seq).toBe(3);
  });

  it("is made anew when the log was emptied under it, and appends go on", async () => {
    await using world = await logWorld(node.url);
    const ahead = aheadBy();
    const engine = await world.engine({ clock: ahead.clock });
    const claim = await engine.shared.partition(0, () => {});
    for (const seq of [1, 2]) await claim.commit(commitOf("web", seq));
    await claim.load();
    await world.link.jsm.streams.purge(world.link.names.log);
    await refusedInTime(claim.commit(commitOf("web", 3)), ahead);
    await until(() => engine.said.includes("error the log is not the one that was followed: its index is made anew"));
    const anew = await engine.shared.partition(0, never);
    expect(await anew.load()).toEqual([]);
    await anew.commit(commitOf("web", 1));
    expect(await anew.load()).toHaveLength(1);
  });

  it("comes to the end of a log whose newest messages were removed, and of one that could not be heard for a while", async () => {
    await using world = await logWorld(node.url);
    await using line = await cutLine(node.port);
    const { js, jsm, names } = world.link;
    const writer = await (await world.engine()).shared.partition(0, never);
    await writer.commit(commitOf("web", 1));
    const { seq: gone } = await js.publish(names.partSubject("web"), "x");
    await jsm.streams.deleteMessage(names.log, gone);
    const engine = await world.engine({ servers: line.url });
    await engine.shared.caughtUp;
    expect(await engine.shared.all.inputs("web")).toHaveLength(1);
    line.hang("back");
    for (const seq of [2, 3, 4]) await writer.commit(commitOf("web", seq));
    line.mend(true);
    await until(async () => (await engine.shared.all.inputs("web")).length === 4);
  });

  it("passes over what is no record, and says so once", async () => {
    await using world = await logWorld(node.url);
    const engine = await world.engine();
    const claim = await engine.shared.partition(0, () => {});
    await claim.commit(commitOf("web", 1));
    const { js, names } = world.link;
    const garbled = ["", "{", "x", JSON.stringify(commitOf("other", 2)), JSON.stringify({ clusterId: "web" })];
    for (const text of garbled) await js.publish(names.logSubject("web"), text);
    await js.publish(`${names.prefix}.log.=zz`, "x");
    await expect(claim.commit(commitOf("web", 2))).rejects.toThrow(Refused);
    const anew = await engine.shared.partition(0, never);
    expect((await anew.load()).map(({ snapshot }) => snapshot.seq)).toEqual([1]);
    await anew.commit(commitOf("web", 2));
    expect((await anew.load()).map(({ snapshot }) => snapshot.seq)).toEqual([2]);
    expect(engine.said.filter((text) => text.startsWith("error"))).toHaveLength(1);
  });

  it("nothing is appended behind a record that cannot be read, but by its owner; a later version reads it", async () => {
    await using world = await logWorld(node.url);
    const [one, other] = [await world.engine(), await world.engine()];
    const owner = await one.shared.partition(0, never);
    await owner.commit(commitOf("web", 1));
    await owner.commit(commitOf("db", 1));
    await (await other.shared.partition(0, never)).load();
    // What another version has written, or a garbled one: its writer goes on from it.
    const { js, jsm, names } = world.link;
    const last = (await lastRecord(world.link, "web"))?.seq ?? 0;
    const head = headers();
    head.set("Tocsin-Append", "x.1");
    head.set("Nats-Expected-Last-Subject-Sequence", String(last));
    const { seq: unread } = await js.publish(names.logSubject("web"), '{"clusterId":"web"}', { headers: head });
    const successor = await other.shared.partition(0, never);
    await expect(successor.commit(commitOf("web", 2))).rejects.toThrow("cannot be read here");
    await expect(successor.commit(commitOf("web", 2))).rejects.toThrow(Refused);
    await successor.commit(commitOf("db", 2));
    expect(other.said.filter((text) => text.startsWith("error"))).toEqual([
      "error a record of a cluster cannot be read",
    ]);
    // So it is after a start, too.
    const again = await other.again();
    const third = await again.shared.partition(0, never);
    await expect(third.commit(commitOf("web", 2))).rejects.toThrow("cannot be read here");
    await third.commit(commitOf("db", 3));
    // What its writer says next can be read, and is the whole state.
    await js.publish(names.logSubject("web"), JSON.stringify(commitOf("web", 3)), {
      headers: head,
      expect: { lastSubjectSequence: unread },
    });
    const fourth = await again.shared.partition(0, never);
    expect((await fourth.load()).map(({ snapshot }) => snapshot.seq)).toEqual([3, 3]);
    await fourth.commit(commitOf("web", 4));
    expect((await jsm.streams.info(names.log)).state.messages).toBe(7);
  });

  it("a piece that is not there yet is waited for; without it the record is none that can be gone on from", async () => {
    await using world = await logWorld(node.url);
    const writer = await (await world.engine()).shared.partition(0, never);
    await writer.commit(commitOf("web", 1));
    const { js, jsm, names } = world.link;
    const ahead = aheadBy();
    const publish = async (cluster: string, parts: readonly number[]) => {
      const head = headers();
      head.set("Tocsin-Append", `x.${cluster}`);
      head.set("Tocsin-Parts", String(parts.length));
      head.set("Nats-Expected-Last-Subject-Sequence", "0");
      return (await js.publish(names.logSubject(cluster), JSON.stringify(parts), { headers: head })).seq;
    };
    // A leader that lags looks like this: the piece comes to be there.
    const { state } = await jsm.streams.info(names.log);
    await publish("db", [state.last_seq + 2]);
    const engine = await world.engine({ clock: ahead.clock });
    await until(() => engine.said.includes("warn the log cannot be followed"));
    await js.publish(names.partSubject("db"), JSON.stringify(commitOf("db", 1)));
    await engine.shared.caughtUp;
    expect((await engine.shared.all.load()).map(({ snapshot }) => snapshot.clusterId)).toEqual(["db", "web"]);
    expect(engine.said.filter((text) => text.startsWith("error"))).toEqual([]);

    // One that is trimmed meanwhile is of the past; one that stays without its piece is not.
    const gone = await publish("mail", [9999]);
    await publish("shop", [9999]);
    await until(() => engine.said.filter((text) => text === "warn the log cannot be followed").length === 2);
    await jsm.streams.deleteMessage(names.log, gone);
    ahead.ms += 15_000;
    const claim = await engine.shared.partition(0, never);
    expect(engine.said.filter((text) => text.startsWith("error")).toSorted()).toEqual([
      "error a record of a cluster cannot be read",
    ]);
    await claim.commit(commitOf("web", 2));
    await claim.commit(commitOf("mail", 1));
    await expect(claim.commit(commitOf("shop", 1))).rejects.toThrow("cannot be read here");
  });

  it("answers a claim for its partition alone, and the rules that a checkpoint brings", async () => {
    await using world = await logWorld(node.url);
    const engine = await world.engine({ partitions: 2 });
    const claims = [await engine.shared.partition(0, never), await engine.shared.partition(1, never)];
    const of = await Promise.all(
      ["web", "db", "mail", "shop"].map(async (id) => {
        const [claim] = await Promise.all(
          claims.map(async (one) =>
            one.commit(commitOf(id, 1)).then(
              () => one,
              () => undefined,
            ),
          ),
        ).then((tried) => tried.filter((one) => one !== undefined));
        return [id, claim] as const;
      }),
    );
    for (const claim of claims) {
      const own = of.filter(([, one]) => one === claim).map(([id]) => id);
      expect((await claim.load()).map(({ snapshot }) => snapshot.clusterId)).toEqual(own.sort());
    }
    expect((await engine.shared.all.load()).length).toBe(4);
    const rules = theRules([anAlarm({ name: "busy" })]);
    const [id = "", claim] = of[0] ?? [];
    const checkpoint = { clusterId: id, seq: 2, number: 2, at: 2000, doc: "{}" };
    await claim?.commit(commitOf(id, 2, { checkpoint, rules }));
    const { names, jsm } = world.link;
    await jsm.streams.purge(names.log, { filter: names.logSubject(id), keep: 1 });
    const fresh = await world.engine();
    const [loaded] = await (await fresh.shared.partition(0, never))
      .load()
      .then((all) => all.filter(({ snapshot }) => snapshot.clusterId === id));
    expect(JSON.stringify(loaded?.rules)).toBe(JSON.stringify(rules));
    expect(fresh.said.filter((text) => text.startsWith("error"))).toEqual([]);
  });
});
