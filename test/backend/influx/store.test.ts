import { afterAll, beforeAll } from "vitest";
import { storeContract } from "../../contract/store.ts";
import type { InfluxServer } from "../../helpers/influxServer.ts";
import { startInflux } from "../../helpers/influxServer.ts";
import { openInflux } from "../../helpers/influxStore.ts";

let server: InfluxServer;

beforeAll(async () => {
  server = await startInflux();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

storeContract("influx", (retention) => openInflux(server.url, {}, retention ? { retention } : {}));
