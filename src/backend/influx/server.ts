/** One InfluxDB server: what it is, how it is written to and asked, and what its answers mean. */

import { readFileSync } from "node:fs";
import { Agent, request } from "undici";
import { expandSecrets } from "../../config/secrets.ts";
import { rfc3339 } from "../../lib/clock.ts";
import { messageOf, systemCode, TocsinError } from "../../lib/errors.ts";
import type { InfluxSettings } from "../../model/influxSettings.ts";
import type { Clock } from "../../ports.ts";
import { checkedAnswer, reasonIn } from "./answer.ts";
import type { Series } from "./points.ts";

/** Which interface it has: 2 is what those have, too, that only take what InfluxDB 2 takes. */
export type Flavor = 1 | 2 | 3;

/** What everything that talks to it needs. */
export interface ServerOptions {
  readonly settings: InfluxSettings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** Who we are, and whom we trust: with secrets in place. */
export interface Access {
  readonly authorization?: string;
  readonly ca?: string;
  /** Never to be shown. */
  readonly secrets: readonly string[];
}

/** Larger answers are not read. */
const MOST_BYTES = 64 * 2 ** 20;

/** A value of a query, for the `$name` that stands in its place. */
export type Parameters = Readonly<Record<string, string>>;

export class InfluxServer {
  readonly settings: InfluxSettings;
  readonly #options: ServerOptions;
  #agent: { readonly ca: string | undefined; readonly agent: Agent } | undefined;
  #flavor: Flavor | undefined;
  #isClosed = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.settings = options.settings;
    if (options.settings.version !== "auto") this.#flavor = options.settings.version;
  }

  /** Secrets and files are read anew: they may have changed. Throws `E205` or `E671` where they cannot be read. */
  access(): Access {
    const { settings, environment } = this.#options;
    const secrets: string[] = [];
    const expand = (text: string) => expandSecrets(text, environment, secrets);
    const { token, username, password, caFile } = settings;
    let authorization: string | undefined;
    if (token !== undefined) {
      const value = expand(token);
      secrets.push(value);
      authorization = `Token ${value}`;
    } else if (username !== undefined) {
      const pair = [username, password ?? ""].map(expand);
      secrets.push(pair[1] ?? "");
      authorization = `Basic ${Buffer.from(pair.join(":")).toString("base64")}`;
    }
    const ca = caFile === undefined ? undefined : readAuthority(caFile);
    return {
      ...(authorization === undefined ? {} : { authorization }),
      ...(ca === undefined ? {} : { ca }),
      secrets: secrets.filter((one) => one.length > 0),
    };
  }

  /** Asked once it answers. Throws `E670` where it does not, `E671` where it refuses us. */
  async flavor(): Promise<Flavor> {
    this.#flavor ??= await this.#ask();
    return this.#flavor;
  }

  /** What was found is doubted: it is asked again. */
  forgetFlavor(): void {
    if (this.settings.version === "auto") this.#flavor = undefined;
  }

  async #ask(): Promise<Flavor> {
    const { status, text, headers } = await this.#send("GET", "/ping");
    if (status === 401 || status === 403) throw refused(status, text);
    if (status >= 500 || status === 429) throw away(`it answered ${status}`);
    const told = String(headers["x-influxdb-version"] ?? versionIn(text) ?? "");
    const major = /^v?(\d+)\./.exec(told)?.[1];
    if (major === "1" || major === "2" || major === "3") return Number(major) as Flavor;
    return 2;
  }

  /**
   * The answers of statements of InfluxQL, in their order, times in epoch ms. Throws `E670` where nobody answers, `E671`
   * where we are refused, `E672` where there is no such database, `E673` where it says something else, `E674` where it
   * has no InfluxQL, `E675` where the answer is too large.
   */
  async query(statements: readonly string[], parameters: Parameters = {}): Promise<readonly (readonly Series[])[]> {
    const { database, retentionPolicy } = this.settings;
    const form = new URLSearchParams({ db: database, epoch: "ms", q: statements.join(";") });
    if (retentionPolicy !== undefined) form.set("rp", retentionPolicy);
    if (Object.keys(parameters).length > 0) form.set("params", JSON.stringify(parameters));
    const { status, text } = await this.#send("POST", "/query", form.toString());
    if (status === 401 || status === 403) throw refused(status, text);
    if (status === 429 || status >= 500) throw away(`it answered ${status}: ${reasonIn(text)}`);
    return checkedAnswer(status, text, statements.length);
  }

  /** A statement that changes something. Throws as `query` does. */
  async execute(statement: string): Promise<void> {
    await this.query([statement]);
  }

  /** Makes the database, where that is done over `/query`, in InfluxDB 1: whether it is. */
  async makeDatabase(): Promise<boolean> {
    if ((await this.flavor()) !== 1) return false;
    await this.execute(`CREATE DATABASE "${this.settings.database.replace(/["\\]/g, "\\$&")}"`);
    return true;
  }

  /** Deletes what lies between two labels, both included, where it can: whether it can. */
  async deleteWithin(measurement: string, from: number, to: number): Promise<boolean> {
    const flavor = await this.flavor();
    if (flavor === 3) return false;
    if (flavor === 1) {
      await this.execute(`DELETE FROM "${measurement}" WHERE time >= ${from}ms AND time < ${to + 1}ms`);
      return true;
    }
    const { database: bucket, org = "" } = this.settings;
    const path = `/api/v2/delete?${new URLSearchParams({ org, bucket })}`;
    const body = JSON.stringify({
      start: rfc3339(from),
      stop: rfc3339(to + 1),
      predicate: `_measurement="${measurement}"`,
    });
    const { status } = await this.#send("POST", path, body, "application/json");
    return status >= 200 && status < 300;
  }

  /** What is under way fails, and so does whatever is asked from now on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#agent?.agent.destroy();
    this.#agent = undefined;
  }

  #dispatcher(ca: string | undefined): Agent {
    if (this.#agent && this.#agent.ca === ca) return this.#agent.agent;
    void this.#agent?.agent.close();
    const agent = new Agent({ connections: 4, connect: { timeout: CONNECT_MS, ...(ca === undefined ? {} : { ca }) } });
    this.#agent = { ca, agent };
    return agent;
  }

  async #send(method: "GET" | "POST", path: string, body?: string, type = "application/x-www-form-urlencoded") {
    const { clock, settings } = this.#options;
    if (this.#isClosed) throw away("it is not asked any more");
    const { authorization, ca, secrets } = this.access();
    const stop = new AbortController();
    const deadline = clock.after(settings.timeoutMs, () => stop.abort());
    try {
      const answer = await request(`${settings.url}${path}`, {
        method,
        dispatcher: this.#dispatcher(ca),
        signal: stop.signal,
        headersTimeout: settings.timeoutMs,
        bodyTimeout: settings.timeoutMs,
        headers: {
          accept: "application/json",
          ...(authorization === undefined ? {} : { authorization }),
          ...(body === undefined ? {} : { "content-type": type }),
        },
        ...(body === undefined ? {} : { body }),
      });
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of answer.body) {
        bytes += (chunk as Buffer).length;
        if (bytes > MOST_BYTES) throw new TocsinError("E675", `the store's answer is above ${MOST_BYTES} bytes`);
        chunks.push(chunk as Buffer);
      }
      return {
        status: answer.statusCode,
        headers: answer.headers,
        text: masked(Buffer.concat(chunks).toString("utf8"), secrets),
      };
    } catch (error) {
      if (error instanceof TocsinError) throw error;
      if (stop.signal.aborted) throw away(`no answer within ${settings.timeoutMs / 1000} s`);
      throw away(failureOf(error));
    } finally {
      deadline.cancel();
    }
  }
}

const CONNECT_MS = 5000;

function readAuthority(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new TocsinError("E671", `cannot read the authority of the store: ${messageOf(error)}`, { cause: error });
  }
}

/** Text without what is never to be shown. */
export function masked(text: string, secrets: readonly string[]): string {
  return secrets.reduce((left, secret) => (secret.length < 4 ? left : left.replaceAll(secret, "***")), text);
}

function versionIn(text: string): string | undefined {
  return /"version"\s*:\s*"([^"]{1,40})"/.exec(text.slice(0, 2000))?.[1];
}

/** What went wrong below HTTP, without an address. */
export function failureOf(error: unknown): string {
  const code = systemCode(error);
  if (code === "ECONNREFUSED") return "nobody listens there";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its name is not known";
  return code ?? messageOf(error).slice(0, 200);
}

export function away(reason: string): TocsinError {
  return new TocsinError("E670", `the store of series does not answer: ${reason}`);
}

export function refused(status: number, text: string): TocsinError {
  return new TocsinError("E671", `the store of series refuses us (${status}): ${reasonIn(text)}`);
}
