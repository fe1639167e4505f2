import { headers } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NatsSettings } from "../../../../src/config/busSettings.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import { membersBus, shared } from "../../../helpers/scaleBus.ts";
import type { Worker } from "../../../helpers/scaleMembers.ts";
import { eventually } from "../../../helpers/sockets.ts";

let node: NatsNode;

beforeAll(async () => {
  node = await startNats();
});
afterAll(() => node[Symbol.asyncDispose]());

const bus = (more: Partial<NatsSettings>) => membersBus([node.url], more);

describe.concurrent("who cannot work, and who is gone", () => {
  it("what one can never acquire is another's, also beyond its share; nothing else goes round for it", async () => {
    await using own = await bus({ partitions: 6 });
    const { board, start } = own;
    await start("b");
    await shared(board, 6, ["b"]);
    const a = await start("a", {}, (worker) => {
      worker.cannot = () => true;
    });
    await eventually("it has failed", () => board.told.filter(({ what }) => what === "asked").length >= 6 + 6);
    await shared(board, 6, ["b"]);
    const released = board.told.filter(({ id, what }) => id === "b" && what === "release").length;
    expect(released).toBe(3);
    expect(a.self.isFresh()).toBe(true);
    expect(board.faults).toEqual([]);
  });

  it("what nobody can acquire disturbs nothing else, and goes on as soon as it can be", async () => {
    await using own = await bus({ partitions: 4 });
    const { board, start } = own;
    let isBad = true;
    const bad = (worker: Worker) => {
      worker.cannot = (partition) => isBad && partition === 2;
    };
    await Promise.all(["a", "b"].map((id) => start(id, {}, bad)));
    const failures = (id: string) => board.told.filter((one) => one.id === id && one.partition === 2).length;
    await eventually("both have failed", () => failures("a") >= 2 && failures("b") >= 2);
    isBad = false;
    await shared(board, 4, ["a", "b"]);
    expect(board.told.filter(({ what }) => what === "release")).toEqual([]);
    expect(board.faults).toEqual([]);
  });

  it("keys of those that are gone are purged, each once, also what was gone before anybody looked", async () => {
    await using own = await bus({ partitions: 1 });
    const { start, link } = own;
    const stream = `KV_${link.names.members}`;
    const deleted = headers();
    deleted.set("KV-Operation", "DEL");
    await link.js.publish(`$KV.${link.names.members}.unknown`, "", { headers: deleted });
    const a = await start("a");
    const b = await start("b");
    await eventually("both are there", () => a.self.members().length === 2);
    await b.leave();
    await eventually("it has left", () => a.self.members().length === 1);
    let purges = 0;
    const watching = link.nc.subscribe(`$JS.API.STREAM.PURGE.${stream}`, { callback: () => purges++ });
    await link.nc.flush();
    for (let minute = 0; minute < 3; minute++) {
      a.skip(61_000);
      await eventually("it sees", () => a.self.isFresh());
      const only = async () => ((await link.jsm.streams.info(stream)).state.messages === 1 ? true : undefined);
      await eventually("only its own key is there", only);
    }
    watching.unsubscribe();
    expect(purges).toBe(2);
  });
});
