/** One GET on a connection of its own: HAProxy's page, or a Prometheus endpoint. */

import type { Dispatcher } from "undici";
import { Client } from "undici";
import { messageOf, systemCode } from "../lib/errors.ts";
import { splitWebUrl } from "../lib/webUrl.ts";
import type { Clock } from "../ports.ts";
import { notHttp, pageMistake } from "./mistakes.ts";
import { networkFailure } from "./networkFailure.ts";
import { shownUrl } from "./shownUrl.ts";
import type { Answer, AnswerReader, Failure } from "./transport.ts";
import { Arrival } from "./transport.ts";

/** Largest head of an answer, bytes. */
const MAX_HEADER_BYTES = 16 * 1024;

export interface WebQuestion extends WebSecrets {
  readonly kind: "page" | "prometheus";
  /** With path and query as they are sent; never with a user. */
  readonly url: string;
  /** The URL as people see it. */
  readonly place: string;
  readonly reader: AnswerReader;
}

/** What is needed to log in and to trust: read anew for each question. */
export interface WebSecrets {
  readonly username?: string;
  readonly password?: string;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string;
}

/** Asks once, within `timeoutMs` in all; follows no redirect, keeps no connection. Never throws. */
export async function askWeb(question: WebQuestion, timeoutMs: number, clock: Clock): Promise<Answer> {
  const { kind, url, place, ca, reader } = question;
  const at = splitWebUrl(url);
  if (!at) return failure("url", "the URL cannot be asked: it must be http(s)://host[:port][/path], without a user");
  const arrival = new Arrival(reader);
  const deadline = new AbortController();
  const timer = clock.after(timeoutMs, () => deadline.abort());
  let connected = false;
  let client: Client | undefined;
  try {
    client = new Client(at.origin, {
      // 0 says `connection: close`.
      pipelining: 0,
      allowH2: false,
      // The deadline rules; the client's coarser timers must not come first.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADER_BYTES,
      connect: { timeout: 0, ...(ca === undefined ? {} : { ca }) },
    });
    client.once("connect", () => {
      connected = true;
    });
    const { statusCode, headers, body } = await client.request({
      method: "GET",
      path: at.path,
      headers: { host: at.host, accept: "text/plain, */*", ...authorization(question) },
      reset: true,
      signal: deadline.signal,
    });
    // What is not read ends with the connection, and says so.
    body.on("error", () => {});
    if (statusCode !== 200) return statusFailure(statusCode, headers, question);
    const refused = (answer: Failure) =>
      pageMistake(kind, arrival.head, place) ?? { ...answer, reason: withoutSecrets(answer.reason, question) };
    for await (const chunk of body) {
      const wrong = arrival.push(chunk);
      if (wrong) return refused(wrong);
    }
    const answer = arrival.end();
    if (!answer.ok) return refused(answer);
    return saysItsLength(headers) || reader.isSurelyWhole ? answer : endUnknown(arrival.bytes, place);
  } catch (error) {
    if (deadline.signal.aborted) return arrival.late(timeoutMs, connected);
    return requestFailure(error, arrival.bytes, question, at.origin.startsWith("https"));
  } finally {
    timer.cancel();
    client?.destroy().catch(() => {});
  }
}

function authorization({ username, password }: WebSecrets): { authorization?: string } {
  if (username === undefined) return {};
  return { authorization: `Basic ${basic(username, password)}` };
}

function basic(username: string, password = ""): string {
  return Buffer.from(`${username}:${password}`).toString("base64");
}

function statusFailure(status: number, headers: Dispatcher.ResponseData["headers"], question: WebQuestion): Failure {
  const { kind, url, place, username } = question;
  if (status === 401 || status === 407) {
    const realm = /realm="?([^",]*)/i.exec(textOf(headers["www-authenticate"]))?.[1];
    const what =
      realm === undefined ? "" : ` for the realm ${JSON.stringify(printable(withoutSecrets(realm, question)))}`;
    const how = username === undefined ? "give username and password" : "look at username and password";
    return failure("unauthorized", `${place} wants a user and a password${what}: ${how}`);
  }
  if (status >= 300 && status < 400) {
    const location = textOf(headers.location);
    const target = location === "" ? "nowhere" : printable(shownUrl(withoutSecrets(location, question), url));
    return failure(
      "redirect",
      `${place} points to ${target} (status ${status}): redirects are not followed, give that URL`,
    );
  }
  const hint =
    status === 404 || status === 503
      ? `: is it the ${kind === "page" ? "`stats uri`" : "path of the prometheus-exporter"} of HAProxy?`
      : "";
  return failure("http", `${place} answered with status ${status}${hint}`);
}

function saysItsLength(headers: Dispatcher.ResponseData["headers"]): boolean {
  return headers["content-length"] !== undefined || /\bchunked\b/i.test(textOf(headers["transfer-encoding"]));
}

/** Half of an answer would look like a whole one, and under-report. */
function endUnknown(bytes: number, place: string): Failure {
  const reason = `${place} closed after ${bytes} bytes and never said how long the answer is: whether this is all of it nobody can tell; let what stands between speak HTTP/1.1, or ask HAProxy itself`;
  return failure("truncated", reason);
}

function requestFailure(error: unknown, bytes: number, question: WebQuestion, isTls: boolean): Failure {
  const { place } = question;
  const code = systemCode(error) ?? "";
  if (error instanceof Error && error.name === "HTTPParserError") {
    if (bytes > 0) return failure("truncated", `${place} broke off after ${bytes} bytes`);
    const { data } = error as { data?: unknown };
    return notHttp(typeof data === "string" ? data : "", place);
  }
  if (code === "UND_ERR_HEADERS_OVERFLOW") return failure("too_large", `${place} answered with too long headers`);
  if (bytes > 0) return failure("truncated", `${place} broke off after ${bytes} bytes`);
  if (isTls && /CERT|ERR_TLS|SELF_SIGNED|UNABLE_TO|ERR_SSL|EPROTO/.test(code)) return tlsFailure(code, place);
  // Cut last: a piece of a secret is not found any more.
  return networkFailure(code, place, code === "" ? withoutSecrets(messageOf(error), question).slice(0, 200) : code);
}

function tlsFailure(code: string, place: string): Failure {
  switch (code) {
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return failure("tls", `the certificate of ${place} is not valid now (${code}): renew it`);
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return failure("tls", `the certificate of ${place} is for another name: ask by the name that it has`);
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "EPROTO":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return failure("tls", `${place} does not speak TLS: is it http: instead of https:?`);
    default:
      return failure("tls", `the certificate of ${place} is not trusted (${code}): give its authority as ca_file`);
  }
}

/** Text that a server sent, without what it was sent itself. */
export function withoutSecrets(text: string, { username = "", password = "" }: WebSecrets): string {
  const header = username === "" ? "" : basic(username, password);
  // Answers are read one character a byte.
  const sent = [password, username].flatMap((secret) => [secret, Buffer.from(secret).toString("latin1")]);
  const escaped = sent.map((secret) => JSON.stringify(secret).slice(1, -1));
  const secrets = [header, ...sent, ...escaped].filter((secret) => secret !== "");
  return secrets.sort((a, b) => b.length - a.length).reduce((rest, secret) => rest.replaceAll(secret, "***"), text);
}

function textOf(header: string | readonly string[] | undefined): string {
  return (typeof header === "string" ? header : header?.[0]) ?? "";
}

/** Texts of others in one line of words, of a bounded length. */
function printable(text: string): string {
  return text.replaceAll(/[^ -~…]/g, "?").slice(0, 200);
}

function failure(code: string, reason: string): Failure {
  return { ok: false, code, reason };
}
