/** Tokens of the configured Keystone, for receivers that want one (`trust+http`, `trust+https`). */

import { parseRfc3339 } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import { splitWebUrl } from "../lib/webUrl.ts";
import type { Clock } from "../ports.ts";
import type { ExchangeAnswer } from "./exchange.ts";
import { exchange } from "./exchange.ts";

/** A user or project: by its id, or by its name and its domain's. */
export type KeystoneEntity =
  | { readonly id: string }
  | { readonly name: string; readonly domain: { readonly id: string } | { readonly name: string } };

/** Who asks for tokens. Every secret is in place. */
export type KeystoneCredentials =
  | {
      readonly kind: "password";
      readonly user: KeystoneEntity;
      readonly password: string;
      readonly project: KeystoneEntity;
    }
  | {
      readonly kind: "application_credential";
      readonly credential: { readonly id: string };
      readonly secret: string;
    };

/** Where Keystone is, and who asks there. */
export interface KeystoneAccess {
  /** With or without `/v3`. */
  readonly authUrl: string;
  readonly credentials: KeystoneCredentials;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string;
}

export interface KeystoneOptions {
  /** Read at each fetch, so that files with secrets may be replaced. May throw. */
  readonly access: () => KeystoneAccess;
  /** What of its address may be told. */
  readonly shown: string;
  readonly clock: Clock;
  /** Of one fetch. */
  readonly timeoutMs: number;
}

/** A token is not used any more when it has so little left. */
const MARGIN_MS = 60_000;
/** Who asks so soon after a failed fetch gets its error: a Keystone that is silent must not be waited for by each. */
const FAILED_MS = 5_000;
const MAX_ANSWER_BYTES = 64 * 1024;

interface Token {
  readonly id: string;
  /** By the wall clock. */
  readonly expiresAt: number;
}

/**
 * Keeps one token until a minute before it expires; all who ask while it is being fetched share the fetch, and its
 * failure, which is kept for five seconds.
 */
export class KeystoneTokens {
  readonly #options: KeystoneOptions;
  #kept: Token | undefined;
  #fetching: Promise<string> | undefined;
  /** Until when, by the monotonic clock, nobody is asked. */
  #failed: { readonly error: unknown; readonly untilMs: number } | undefined;

  constructor(options: KeystoneOptions) {
    this.#options = options;
  }

  /** Throws when Keystone gives none, or the credentials cannot be read: the message names host and cause, no secret. */
  token(): Promise<string> {
    const { clock } = this.#options;
    const kept = this.#kept;
    if (kept && clock.now() < kept.expiresAt - MARGIN_MS) return Promise.resolve(kept.id);
    const failed = this.#failed;
    if (failed && clock.monotonic() < failed.untilMs) return Promise.reject(failed.error);
    this.#fetching ??= this.#fetch()
      .catch((error) => {
        this.#failed = { error, untilMs: clock.monotonic() + FAILED_MS };
        throw error;
      })
      .finally(() => {
        this.#fetching = undefined;
      });
    return this.#fetching;
  }

  /** A receiver refused that token: the next one that is asked for is another. */
  forget(token: string): void {
    if (this.#kept?.id === token) this.#kept = undefined;
  }

  async #fetch(): Promise<string> {
    const { access, shown, clock, timeoutMs } = this.#options;
    this.#kept = undefined;
    const headers = { "content-type": "application/json", accept: "application/json" };
    let answer: ExchangeAnswer;
    try {
      const { authUrl, credentials, ca } = access();
      const body = JSON.stringify(tokenRequest(credentials));
      const url = tokensUrl(authUrl);
      answer = await exchange(
        { method: "POST", url, headers, body },
        { clock, timeoutMs, maxBytes: MAX_ANSWER_BYTES, ...(ca === undefined ? {} : { ca }) },
      );
    } catch (error) {
      throw new Error(`Keystone at ${shown}: ${messageOf(error)}`);
    }
    this.#kept = readToken(answer, shown);
    return this.#kept.id;
  }
}

function readToken({ status, headers, text }: ExchangeAnswer, shown: string): Token {
  if (status !== 201) {
    const mend = status === 401 ? ": check the credentials of notifier.keystone" : "";
    throw new Error(`Keystone at ${shown} answered ${status}${mend}`);
  }
  const id = headers["x-subject-token"];
  if (typeof id !== "string" || id === "") throw new Error(`Keystone at ${shown} answered 201 without a token`);
  const expiresAt = parseRfc3339(expiryIn(text));
  if (Number.isNaN(expiresAt)) throw new Error(`Keystone at ${shown} answered 201 without token.expires_at`);
  return { id, expiresAt };
}

/** Without the catalog, which may be long and is not needed. Throws when the URL is none. */
function tokensUrl(authUrl: string): URL {
  if (!splitWebUrl(authUrl)) throw new Error("notifier.keystone.auth_url is no http(s)://host[:port]/path");
  const url = new URL(authUrl);
  const base = url.pathname.replace(/\/+$/, "").replace(/\/v3$/, "");
  return new URL(`${url.origin}${base}/v3/auth/tokens?nocatalog`);
}

/** The body of `POST /v3/auth/tokens`. */
function tokenRequest(credentials: KeystoneCredentials): object {
  if (credentials.kind === "application_credential") {
    const { credential, secret } = credentials;
    const application_credential = { ...credential, secret };
    return { auth: { identity: { methods: ["application_credential"], application_credential } } };
  }
  const { user, password, project } = credentials;
  const identity = { methods: ["password"], password: { user: { ...user, password } } };
  return { auth: { identity, scope: { project } } };
}

/** `token.expires_at`; empty when there is none. */
function expiryIn(text: string): string {
  try {
    const { token } = JSON.parse(text) as { readonly token?: { readonly expires_at?: unknown } };
    return typeof token?.expires_at === "string" ? token.expires_at : "";
  } catch {
    return "";
  }
}
