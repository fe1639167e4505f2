/** One small request of the service's own (a token, a heartbeat) on its own connection, with a deadline. */

import { Client } from "undici";
import { systemCode } from "../lib/errors.ts";
import type { Clock } from "../ports.ts";

export interface ExchangeRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface ExchangeOptions {
  readonly clock: Clock;
  /** From the connection to the last byte. */
  readonly timeoutMs: number;
  /** An answer that is longer is an error; `undefined`: nothing but its head is read. */
  readonly maxBytes?: number;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string;
  /** Ends the exchange from outside. */
  readonly signal?: AbortSignal;
}

export interface ExchangeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/**
 * Any answer, whatever its status; redirects are not followed. Throws an Error whose message names neither URL nor secret
 * when there is none in time, or it is too long.
 */
export async function exchange(request: ExchangeRequest, options: ExchangeOptions): Promise<ExchangeAnswer> {
  const { clock, timeoutMs, maxBytes, ca, signal } = options;
  const { method, url, headers, body } = request;
  const deadline = new AbortController();
  const timer = clock.after(timeoutMs, () => deadline.abort());
  let client: Client | undefined;
  try {
    client = new Client(url.origin, {
      pipelining: 0,
      allowH2: false,
      // The deadline rules; the client's coarser timers must not come first.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: 0, minVersion: "TLSv1.2", ...(ca === undefined ? {} : { ca }) },
    });
    const answer = await client.request({
      method,
      path: `${url.pathname}${url.search}`,
      headers,
      ...(body === undefined ? {} : { body }),
      reset: true,
      signal: signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal,
    });
    if (maxBytes === undefined) answer.body.on("error", () => {});
    const text = maxBytes === undefined ? "" : await textOf(answer.body, maxBytes);
    return { status: answer.statusCode, headers: answer.headers, text };
  } catch (error) {
    if (signal?.aborted) throw new Error("the service stopped before an answer");
    if (deadline.signal.aborted) throw new Error(`no answer within ${timeoutMs} ms`);
    if (error instanceof TooLong) throw error;
    // Messages of the client may quote what was to be sent.
    throw new Error(`no answer: ${systemCode(error) ?? "error"}`);
  } finally {
    timer.cancel();
    client?.destroy().catch(() => {});
  }
}

class TooLong extends Error {}

async function textOf(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new TooLong(`an answer of more than ${Math.floor(maxBytes / 1024)} kB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
