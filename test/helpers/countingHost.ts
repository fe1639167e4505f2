import { once } from "node:events";
import type { Socket } from "node:net";
import { createServer } from "node:net";

/** Counts what comes in at one address, and answers each request by its path. */
export class CountingHost {
  connections = 0;
  requests: string[] = [];
  readonly #open = new Set<Socket>();
  readonly #answer: (path: string) => string;
  readonly #server = createServer((socket) => {
    this.connections++;
    this.#open.add(socket);
    let text = "";
    socket.on("error", () => {});
    socket.on("close", () => this.#open.delete(socket));
    socket.setEncoding("latin1").on("data", (chunk) => {
      text += chunk;
      if (!text.includes("\r\n\r\n")) return;
      const [, path = ""] = text.split(" ");
      this.requests.push(path);
      text = "";
      socket.end(this.#answer(path));
    });
  });
  constructor(answer: (path: string) => string) {
    this.#answer = answer;
  }
  /** The port, or `undefined` when that address or port cannot be had. */
  async listen(address: string, port: number): Promise<number | undefined> {
    const listening = once(this.#server, "listening").then(() => true);
    const failed = once(this.#server, "error").then(() => false);
    this.#server.listen(port, address);
    if (!(await Promise.race([listening, failed]))) return undefined;
    const bound = this.#server.address();
    return typeof bound === "object" && bound ? bound.port : undefined;
  }
  close(): void {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
  }
}
