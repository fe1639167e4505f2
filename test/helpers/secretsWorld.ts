/** Receivers, a Keystone and a HAProxy for the search for secrets: whatever they are told they repeat. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { eventually } from "./sockets.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

/** Of an answer so much is kept: a secret across that edge is cut. */
const KEPT_BYTES = 2048;

const HTML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function decoded(text: string): string {
  return text.replace(/(%[0-9a-f]{2})+/gi, (escapes) => decodeURIComponent(escapes));
}

/** How receivers spell what they repeat. */
const FORMS: Readonly<Record<string, (text: string) => string>> = {
  plain: (text) => text,
  html: (text) => `<html><body>${text.replace(/[&<>"']/g, (one) => HTML[one] ?? one)}</body></html>`,
  python: (text) => text.replace(/[&<>"']/g, (one) => (one === "'" ? "&#x27;" : (HTML[one] ?? one))),
  decoded,
  form: (text) => decoded(text.replaceAll("+", " ")),
  json: (text) => JSON.stringify({ asked: text }),
  php: (text) => JSON.stringify({ asked: text }).replaceAll("/", "\\/"),
  lower: (text) => encodeURIComponent(text).replace(/%../g, (one) => one.toLowerCase()),
  upper: (text) => encodeURIComponent(text),
};

async function whatWasAsked(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const lines = request.rawHeaders.flatMap((name, at) =>
    at % 2 === 0 ? [`${name}: ${request.rawHeaders[at + 1]}`] : [],
  );
  return [`${request.method} ${request.url}`, ...lines, "", Buffer.concat(chunks).toString()].join("\n");
}

/** Answers `/STATUS/FORM/…` so; `/302/…` sends back to where it was asked; `/cut/…` ends amid the last part of its path. */
async function repeat(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = request.url ?? "/";
  const [, first = "", form = ""] = url.split("/");
  const asked = await whatWasAsked(request);
  const echo = (FORMS[form] ?? FORMS.plain)?.(asked) ?? "";
  if (first === "302") response.writeHead(302, { location: `http://${request.headers.host}${url}` }).end(echo);
  else if (first === "cut") {
    const last = url.split("/").at(-1) ?? "";
    response.writeHead(404).end(`${"x".repeat(KEPT_BYTES - Math.floor(last.length * 0.7))}${last} ${echo}`);
  } else if (first === "reset") request.socket.resetAndDestroy();
  else response.writeHead(/^[2-5]\d\d$/.test(first) ? Number(first) : 202).end(echo);
}

interface Repeating extends AsyncDisposable {
  readonly port: number;
  /** First lines of the requests so far. */
  readonly asked: readonly string[];
}

async function serve(
  listener: RequestListener,
  tls?: { readonly cert: string; readonly key: string },
): Promise<Repeating> {
  const asked: string[] = [];
  const handle: RequestListener = (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    listener(request, response);
  };
  const server = tls ? createTlsServer({ ...tls }, handle) : createServer(handle);
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** A receiver that repeats in its answer what it was asked: path, headers, body. */
export function repeatingReceiver(tls?: { readonly cert: string; readonly key: string }): Promise<Repeating> {
  return serve((request, response) => void repeat(request, response), tls);
}

/** A Keystone that gives these tokens one after the other, then refuses, and repeats what it was asked. */
export function repeatingKeystone(tokens: readonly string[]): Promise<Repeating> {
  let given = 0;
  return serve(async (request, response) => {
    const asked = await whatWasAsked(request);
    const token = tokens[given++];
    if (token === undefined) response.writeHead(401).end(asked);
    else {
      response.writeHead(201, { "x-subject-token": token });
      response.end(JSON.stringify({ token: { expires_at: "2100-01-01T00:00:00.000000Z" }, asked }));
    }
  });
}

/** A process of the program, and all that it says. */
interface Process extends AsyncDisposable {
  readonly pid: number;
  /** What it has said so far, on both its outputs. */
  readonly said: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  kill(signal: NodeJS.Signals): Promise<string>;
}

/** Starts an entry point; by default the program itself. */
export function start(
  args: readonly string[],
  { cwd, env, entry = MAIN }: { cwd: string; env: Readonly<Record<string, string>>; entry?: string },
): Process {
  const child = spawn(process.execPath, [entry, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      said += chunk;
    });
  const ended = once(child, "close").then(([code, signal]: unknown[]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  return {
    pid: child.pid ?? 0,
    said: () => said,
    ended,
    async kill(signal) {
      child.kill(signal);
      await ended;
      return said;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Where the interface of a service is, once it runs. */
export async function urlOf(service: Process): Promise<string> {
  let over = false;
  void service.ended.then(() => {
    over = true;
  });
  return eventually("the service to run", () => {
    if (over) throw new Error(`the service ended: ${service.said()}`);
    return /"api":"([^"]+)"/.exec(service.said())?.[1];
  });
}
