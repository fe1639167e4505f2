/** A receiver in a thread of its own: notes when each POST has arrived whole, and answers 200. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parentPort } from "node:worker_threads";

const server = createServer((request, response) => {
  request.resume().on("end", () => {
    parentPort?.postMessage({ id: request.headers["webhook-id"], arrivedNs: process.hrtime.bigint() });
    response.end();
  });
});
server.listen(0, "127.0.0.1", () => parentPort?.postMessage({ port: (server.address() as AddressInfo).port }));
