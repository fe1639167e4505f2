import { expect, it } from "vitest";
import { readRecords } from "../../../../src/backend/nats/log/records.ts";
import { commitOf, logWorld, until } from "../../../helpers/logWorld.ts";
import { startNatsCluster } from "../../../helpers/natsServer.ts";

const CLUSTERS = 12;

it("N2: what is appended while the leader of three is killed is there once, and in order", {
  timeout: 90_000,
}, async () => {
  await using cluster = await startNatsCluster();
  const urls = cluster.nodes.map(({ url }) => url);
  await using world = await logWorld(urls, 3);
  const [engine, reader] = [await world.engine(), await world.engine()];
  const claim = await engine.shared.partition(0, () => {
    throw new Error("refused");
  });
  let [isOver, appended] = [false, 0];
  const ids = Array.from({ length: CLUSTERS }, (_, n) => `c${n}`);
  const counts = ids.map(async (id) => {
    let seq = 0;
    while (!isOver) {
      await claim.commit(commitOf(id, ++seq));
      appended++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return seq;
  });
  await until(() => appended > 20 * CLUSTERS);
  const leaderOf = async () => (await world.link.jsm.streams.info(world.link.names.log)).cluster?.leader ?? "";
  const leader = await leaderOf();
  const node = cluster.nodes.find(({ port }) => leader.endsWith(`-${port}`));
  const before = performance.now();
  await node?.kill();
  const atKill = appended;
  await until(() => appended > atKill + CLUSTERS * 5, 60_000);
  console.log(`appends stood still for less than ${Math.round(performance.now() - before)} ms`);
  await node?.start();
  isOver = true;
  const expected = await Promise.all(counts);
  for (const [n, id] of ids.entries()) {
    const records = await readRecords(world.link, id);
    expect(records.map(({ commit }) => commit.snapshot.seq)).toEqual(records.map((_, at) => at + 1));
    expect(records.length).toBe(expected[n]);
    expect(records.map(({ follows }) => follows)).toEqual([0, ...records.slice(0, -1).map(({ seq }) => seq)]);
  }
  await until(async () => {
    const loaded = new Map((await reader.shared.all.load()).map(({ snapshot }) => [snapshot.clusterId, snapshot.seq]));
    return ids.every((id, n) => loaded.get(id) === expected[n]);
  }, 30_000);
  expect((await reader.shared.all.inputs("c0")).length).toBe(expected[0]);
});
