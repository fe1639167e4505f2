/** A way to a TCP server that can be cut, and made to hang in one direction or in both. */

import { once } from "node:events";
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";

export interface CutLine extends AsyncDisposable {
  readonly port: number;
  /** `nats://127.0.0.1:port`. */
  readonly url: string;
  /** Ends all connections, and refuses new ones until `mend`. */
  cut(): void;
  /**
   * What comes from now on is taken and not given on until `mend`: from the client (`there`), from the server
   * (`back`), or both. Connections stay up.
   */
  hang(way: "there" | "back" | "both"): void;
  /** As before. What hung is given on, unless `isLost`: then the connections are ended. */
  mend(isLost?: boolean): void;
  /** Called with what the client sends, before it is given on: a test cuts at the very moment. */
  onSent: ((bytes: Buffer) => void) | undefined;
  /** Called with what the server sends, before it is given on. */
  onAnswer: ((bytes: Buffer) => void) | undefined;
}

/** Listens on a free loopback port, and connects each client to `port` on loopback. */
export async function cutLine(port: number): Promise<CutLine> {
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>();
  const hangs = { there: false, back: false };
  const held: (() => void)[] = [];
  let isCut = false;
  const end = () => {
    for (const { client, server } of pairs) {
      client.destroy();
      server.destroy();
    }
    held.length = 0;
  };
  const listener = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const server = connect(port, "127.0.0.1");
    const pair = { client, server };
    pairs.add(pair);
    const give = (way: "there" | "back", to: Socket, bytes: Buffer) => {
      (way === "there" ? line.onSent : line.onAnswer)?.(bytes);
      if (to.destroyed) return;
      if (hangs[way]) held.push(() => to.destroyed || to.write(bytes));
      else to.write(bytes);
    };
    client.on("data", (bytes) => give("there", server, bytes));
    server.on("data", (bytes) => give("back", client, bytes));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.setNoDelay(true);
      one.on("error", () => {});
      one.on("close", () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const own = (listener.address() as { port: number }).port;
  const line: CutLine = {
    port: own,
    url: `nats://127.0.0.1:${own}`,
    onSent: undefined,
    onAnswer: undefined,
    cut() {
      isCut = true;
      end();
    },
    hang(way) {
      if (way !== "back") hangs.there = true;
      if (way !== "there") hangs.back = true;
    },
    mend(isLost = false) {
      isCut = hangs.there = hangs.back = false;
      if (isLost) end();
      for (const give of held.splice(0)) give();
    },
    async [Symbol.asyncDispose]() {
      isCut = true;
      end();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return line;
}
