/** Tokens of the configured Keystone, for receivers that want one (`trust+http`, `trust+https`). */

import { messageOf } from "../lib/errors.ts";
import type { Clock } from "../ports.ts";
import type { ExchangeAnswer } from "./exchange.ts";
import { exchange, maskedUrl } from "./exchange.ts";

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
      /** `undefined`: the user's default project. */
      readonly project: KeystoneEntity | undefined;
    }
  | {
      readonly kind: "application_credential";
      /** By its id, or by its name and whose it is. */
      readonly credential: { readonly id: string } | { readonly name: string; readonly user: KeystoneEntity };
      readonly secret: string;
    };

export interface KeystoneOptions {
  /** With or without `/v3`. */
  readonly authUrl: string;
  /** Read at each fetch, so that files with secrets may be replaced. May throw. */
  readonly credentials: () => KeystoneCredentials;
  readonly clock: Clock;
  /** Epoch ms of a date in an answer; NaN when it is none. */
  readonly parseDate: (text: string) => number;
  /** Of one fetch. */
  readonly timeoutMs: number;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string;
}

/** A token is not used any more when it has so little left. */
const MARGIN_MS = 60_000;
const MAX_ANSWER_BYTES = 64 * 1024;

interface Token {
  readonly id: string;
  /** By the wall clock. */
  readonly expiresAt: number;
}

/** Keeps one token until a minute before it expires; all who ask while it is being fetched share the fetch. */
export class KeystoneTokens {
  readonly #options: KeystoneOptions;
  #kept: Token | undefined;
  #fetching: Promise<string> | undefined;

  constructor(options: KeystoneOptions) {
    this.#options = options;
  }

  /** Throws when Keystone gives none, or the credentials cannot be read: the message names host and cause, no secret. */
  token(): Promise<string> {
    const kept = this.#kept;
    if (kept && this.#options.clock.now() < kept.expiresAt - MARGIN_MS) return Promise.resolve(kept.id);
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  /** A receiver refused that token: the next one that is asked for is another. */
  forget(token: string): void {
    if (this.#kept?.id === token) this.#kept = undefined;
  }

  async #fetch(): Promise<string> {
    const { authUrl, credentials, clock, timeoutMs, ca } = this.#options;
    this.#kept = undefined;
    const body = JSON.stringify(tokenRequest(credentials()));
    const url = tokensUrl(authUrl);
    const headers = { "content-type": "application/json", accept: "application/json" };
    let answer: ExchangeAnswer;
    try {
      answer = await exchange(
        { method: "POST", url, headers, body },
        { clock, timeoutMs, maxBytes: MAX_ANSWER_BYTES, ...(ca === undefined ? {} : { ca }) },
      );
    } catch (error) {
      throw new Error(`Keystone at ${maskedUrl(url)}: ${messageOf(error)}`);
    }
    this.#kept = this.#read(answer, maskedUrl(url));
    return this.#kept.id;
  }

  #read({ status, headers, text }: ExchangeAnswer, shown: string): Token {
    const { parseDate } = this.#options;
    if (status !== 201) {
      const mend = status === 401 ? ": check the credentials of notifier.keystone" : "";
      throw new Error(`Keystone at ${shown} answered ${status}${mend}`);
    }
    const id = headers["x-subject-token"];
    if (typeof id !== "string" || id === "") throw new Error(`Keystone at ${shown} answered 201 without a token`);
    const expiresAt = parseDate(expiryIn(text));
    if (Number.isNaN(expiresAt)) throw new Error(`Keystone at ${shown} answered 201 without token.expires_at`);
    return { id, expiresAt };
  }
}

/** Without the catalog, which may be long and is not needed. Throws when the URL is none. */
function tokensUrl(authUrl: string): URL {
  const url = URL.parse(authUrl);
  if (!url) throw new Error("notifier.keystone.auth_url is not a URL");
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
  return { auth: { identity, ...(project ? { scope: { project } } : {}) } };
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
