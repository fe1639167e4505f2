import { randomUUID } from "node:crypto";
import { afterAll, beforeAll } from "vitest";
import { openSharedLog } from "../../../../src/backend/nats/log/sharedLog.ts";
import type { OpenIndex } from "../../../../src/backend/nats/log/tailIndex.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import { silentLogger } from "../../../../src/lib/log.ts";
import type { Ledger } from "../../../../src/ports.ts";
import { ledgerContract } from "../../../contract/ledger.ts";
import { openDirectIndex } from "../../../helpers/directIndex.ts";
import { aPrefix, linkTo, setUpLog } from "../../../helpers/natsBus.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import { temporaryFolder } from "../../../helpers/sockets.ts";

let node: NatsNode;
beforeAll(async () => {
  node = await startNats();
});
afterAll(() => node[Symbol.asyncDispose]());

async function opened(openIndex?: OpenIndex) {
  const link = await linkTo(node.url, aPrefix());
  await setUpLog(link);
  const folder = temporaryFolder();
  const open = (name: string) =>
    openSharedLog({
      link,
      folder: `${folder.path}/${name}`,
      partitions: 1,
      logAgeS: 0,
      clock: systemClock,
      log: silentLogger,
      ...(openIndex ? { openIndex } : {}),
    });
  const shared = await open("own");
  const ledger = await shared.partition(0, () => {});
  return {
    ledger,
    open,
    async [Symbol.asyncDispose]() {
      await ledger.close();
      await shared.close();
      await link.close();
      folder[Symbol.dispose]();
    },
  };
}

ledgerContract("nats", () => opened());

/** Whatever is read is read by a process that has no index yet. What is forgotten is forgotten in an index: that one stays. */
ledgerContract("nats, each read from an index that is made anew", async () => {
  const { ledger: own, open, ...rest } = await opened(openDirectIndex);
  let isTrimmed = false;
  const anew = async <T>(read: (ledger: Ledger) => Promise<T>): Promise<T> => {
    if (isTrimmed) return read(own);
    const shared = await open(randomUUID());
    try {
      return await read(await shared.partition(0, () => {}));
    } finally {
      await shared.close();
    }
  };
  const ledger: Ledger = {
    load: () => anew((one) => one.load()),
    ticks: (...args) => anew((one) => one.ticks(...args)),
    commit: (commit) => own.commit(commit),
    deliveries: (query) => anew((one) => one.deliveries(query)),
    delivery: (id) => anew((one) => one.delivery(id)),
    inputs: (...args) => anew((one) => one.inputs(...args)),
    checkpoint: (...args) => anew((one) => one.checkpoint(...args)),
    rulesAt: (...args) => anew((one) => one.rulesAt(...args)),
    decisions: (...args) => anew((one) => one.decisions(...args)),
    baselines: () => anew((one) => one.baselines()),
    decisionLog: (clusterId) => anew((one) => one.decisionLog(clusterId)),
    trim: (before) => {
      isTrimmed = true;
      return own.trim(before);
    },
    close: () => own.close(),
  };
  return { ledger, ...rest };
});
