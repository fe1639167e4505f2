/** A process of its own: an origin for HAProxy's servers, and the clients of the load. */

import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import type { Field } from "./trafficClient.ts";
import { runClient, send, wait } from "./trafficClient.ts";
import type { Lane } from "./trafficLog.ts";

/** What the test says; each is answered by `true`, but `stop` by the log. */
export type Said =
  | { readonly say: "go"; readonly port: number; readonly lanes: readonly Lane[] }
  | { readonly say: "target"; readonly port: number }
  | { readonly say: "stop" };

/** Answers `/BYTES/MS`: so many bytes, spread over so long. */
function serve(socket: Socket): void {
  let text = "";
  let body = 0;
  let last = Promise.resolve();
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    if (body >= chunk.length) body -= chunk.length;
    else {
      text += chunk.toString("latin1", body);
      body = 0;
    }
    for (let end = text.indexOf("\r\n\r\n"); end >= 0 && body === 0; end = text.indexOf("\r\n\r\n")) {
      const head = text.slice(0, end);
      const rest = text.slice(end + 4);
      const upload = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      body = Math.max(0, upload - rest.length);
      text = rest.slice(upload);
      const [, bytes = "0", overMs = "0"] = /^\S+ \/(\d+)\/(\d+)/.exec(head) ?? [];
      const answered = body === 0 ? last : last.then(() => bodyRead(socket, () => body === 0));
      last = answered.then(async () => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes}\r\n\r\n`);
        await send(socket, Number(bytes), Number(overMs));
      });
    }
  });
}

/** Answers only when the whole body has come, as a server that stores it does. */
function bodyRead(socket: Socket, isRead: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!isRead()) return;
      socket.off("data", look);
      resolve();
    };
    socket.on("data", look);
    socket.once("close", () => resolve());
    look();
  });
}

const field: Field = { target: 0, stopping: false, log: [] };
let clients: Promise<void>[] = [];

const origin = createServer((socket) => serve(socket.setNoDelay(true)));
origin.listen(0, "127.0.0.1", () => process.send?.((origin.address() as AddressInfo).port));

process.on("message", async (said: Said) => {
  switch (said.say) {
    case "go":
      field.target = said.port;
      field.stopping = false;
      clients = said.lanes.flatMap((lane) =>
        Array.from({ length: lane.connections }, async (_, index) => {
          if (!lane.together) await wait(((lane.overMs + lane.pauseMs) * index) / lane.connections);
          await runClient(lane, field);
        }),
      );
      process.send?.(true);
      break;
    case "target":
      field.target = said.port;
      process.send?.(true);
      break;
    case "stop":
      field.stopping = true;
      await Promise.all(clients);
      process.send?.(field.log.splice(0));
      break;
  }
});
process.on("disconnect", () => process.exit(0));
