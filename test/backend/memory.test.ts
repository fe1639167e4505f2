import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import { busContract } from "../contract/bus.ts";
import { ledgerContract } from "../contract/ledger.ts";
import { storeContract } from "../contract/store.ts";

const nothing = { async [Symbol.asyncDispose]() {} };

busContract("memory", async () => ({ bus: createMemoryBus(), ...nothing }));
storeContract("memory", async (retention) => {
  const store = createMemoryStore(retention);
  return { store, reader: () => store.reader, ...nothing };
});
ledgerContract("memory", async () => ({ ledger: createMemoryLedger(), ...nothing }));
