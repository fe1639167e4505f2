/** A bus with nobody on it yet, and who works on what of it. */

import type { NatsSettings } from "../../src/config/busSettings.ts";
import { Board, linkTo, makeBuckets, scaleSettings, Worker } from "./scaleMembers.ts";
import { eventually } from "./sockets.ts";

let runs = 0;

/** One of its own at those servers. All that were started leave at the end. */
export async function membersBus(servers: readonly string[], more: Partial<NatsSettings> = {}) {
  const settings = scaleSettings(servers, `c${++runs}`, more);
  const link = await linkTo(settings, "setup");
  await makeBuckets(link, settings.replicas);
  const board = new Board();
  const workers: Worker[] = [];
  const start = async (
    id: string,
    options: Parameters<typeof Worker.start>[3] = {},
    prepare?: (one: Worker) => void,
  ) => {
    const worker = await Worker.start(id, board, settings, options, prepare);
    workers.push(worker);
    return worker;
  };
  return {
    ...{ settings, link, board, start },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.leave()));
      await link.close();
    },
  };
}

/** How many partitions each works on, once each is worked on by exactly one. */
export async function shared(board: Board, partitions: number, among: readonly string[], deadlineMs = 15_000) {
  const most = Math.ceil(partitions / among.length);
  return await eventually(
    `${partitions} partitions among ${among}`,
    () => {
      const owners = Array.from({ length: partitions }, (_, partition) => board.at(partition));
      if (!owners.every((one) => one.length === 1 && among.includes(one[0] ?? ""))) return undefined;
      const counts = among.map((id) => owners.filter(([owner]) => owner === id).length);
      return counts.every((count) => count <= most) ? counts : undefined;
    },
    deadlineMs,
  );
}
