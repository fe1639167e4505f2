import { buildConnector, Client } from "undici";
import type { OutcomeKind } from "../model/decision.ts";
import type { Clock } from "../ports.ts";
import { meaningOfError, meaningOfStatus, retryAfterS } from "./answer.ts";
import type { RequestTarget } from "./request.ts";

export interface AttemptOptions {
  readonly clock: Clock;
  readonly parseDate: (text: string) => number;
  readonly connectTimeoutMs: number;
  /** For the whole attempt, to the end of the answer's head. */
  readonly timeoutMs: number;
  readonly control: boolean;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca: string | undefined;
  /** Whether the receiver is asked to keep the connection; it is closed here all the same. */
  readonly keepAlive: boolean;
  /** Read immediately before the first byte is written: why not to write it, or `undefined`. */
  readonly heldBecause: () => string | undefined;
  /** Ends the attempt from outside. */
  readonly signal: AbortSignal;
}

export interface AttemptResult {
  readonly outcome: OutcomeKind;
  readonly reason: string;
  readonly status?: number;
  readonly retryAfterS?: number;
  readonly connectMs?: number;
  readonly totalMs: number;
  readonly answer?: string;
  readonly requestId?: string;
}

/** The answer is read so far, and of it so much is kept. */
const READ_BYTES = 64 * 1024;
const KEPT_BYTES = 2 * 1024;

class Held extends Error {}

/**
 * One POST on a fresh connection, whatever comes of it: never throws. Redirects are not followed. The gates are
 * read when the connection stands, so that nothing is written that was called off while it was made.
 */
export async function attempt(
  target: RequestTarget,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  options: AttemptOptions,
): Promise<AttemptResult> {
  const { clock, connectTimeoutMs, timeoutMs, control, ca, keepAlive, heldBecause, signal } = options;
  const startedMs = clock.monotonic();
  let connectMs: number | undefined;
  const connector = buildConnector({ timeout: connectTimeoutMs, allowH2: false, ...(ca === undefined ? {} : { ca }) });
  const deadline = new AbortController();
  const timer = clock.after(timeoutMs, () => deadline.abort(new Error(`timeout after ${timeoutMs} ms`)));
  const passed = () => ({ totalMs: clock.monotonic() - startedMs, ...(connectMs === undefined ? {} : { connectMs }) });
  let client: Client | undefined;
  try {
    client = new Client(target.origin, {
      // 0 says `connection: close`.
      pipelining: keepAlive ? 1 : 0,
      allowH2: false,
      // The attempt's own deadline rules; undici's coarser timers must not come first.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (connectOptions, done) =>
        connector(connectOptions, (...result) => {
          if (result[0] !== null) return done(...result);
          const held = heldBecause();
          if (held === undefined) {
            connectMs = clock.monotonic() - startedMs;
            return done(...result);
          }
          result[1].destroy();
          return done(new Held(held), null);
        }),
    });
    const answer = await client.request({
      method: "POST",
      path: target.path,
      headers,
      body,
      reset: !keepAlive,
      signal: AbortSignal.any([signal, deadline.signal]),
    });
    const { statusCode: status, headers: answered } = answer;
    const text = await readSome(answer.body);
    const after = retryAfterS(first(answered["retry-after"]), options.parseDate, clock.now());
    const requestId = first(answered["x-openstack-request-id"]);
    return {
      ...meaningOfStatus(status, control),
      status,
      ...passed(),
      answer: text,
      ...(after === undefined ? {} : { retryAfterS: after }),
      ...(requestId === undefined ? {} : { requestId }),
    };
  } catch (error) {
    if (error instanceof Held) return { outcome: "cancelled", reason: error.message, ...passed() };
    const connected = connectMs !== undefined;
    if (signal.aborted && !connected) return { outcome: "cancelled", reason: String(signal.reason), ...passed() };
    if (signal.aborted || deadline.signal.aborted) {
      const reason = signal.aborted ? "the service stopped before an answer" : `no answer within ${timeoutMs} ms`;
      return { outcome: connected ? "uncertain" : "not_run", reason, ...passed() };
    }
    return { ...meaningOfError(error, connected), ...passed() };
  } finally {
    timer.cancel();
    client?.destroy().catch(() => {});
  }
}

function first(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** The beginning of an answer. Its status is known: a body that breaks off or never ends changes nothing. */
async function readSome(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= READ_BYTES) break;
    }
  } catch {
    // The head said it all.
  }
  return Buffer.concat(chunks).subarray(0, KEPT_BYTES).toString("utf8");
}
