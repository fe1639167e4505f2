import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface RunningServer extends AsyncDisposable {
  readonly port: number;
}

/** An HTTP server on a free port of the loopback. */
export async function serveOnLoopback(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<RunningServer> {
  const server: Server = createServer(handle);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A small backend server: reads what it is sent and says so. */
export function startBackend(): Promise<RunningServer> {
  return serveOnLoopback((request, response) => {
    request.resume().on("end", () => response.end("ok\n"));
  });
}

/** A free port: of a server that was just closed. */
export async function freePort(): Promise<number> {
  await using server = await serveOnLoopback((_request, response) => response.end());
  return server.port;
}
