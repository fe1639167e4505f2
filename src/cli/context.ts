/** What a command gets from the world, and what it needs to find its settings and its service. */

import { request } from "undici";
import type { Role } from "../config/busSettings.ts";
import { ROLES } from "../config/busSettings.ts";
import type { Diagnostic } from "../config/diagnostics.ts";
import { formatDiagnostic } from "../config/diagnostics.ts";
import type { Settings } from "../config/settings.ts";
import { findSettingsFile, loadSettings } from "../config/settings.ts";
import { systemCode, TocsinError } from "../lib/errors.ts";

export interface World {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** A line of data. */
  readonly out: (text: string) => void;
  /** A line for the person. */
  readonly err: (text: string) => void;
  readonly isTerminal: boolean;
  /** Asks the person yes or no; `undefined`: nobody is there to answer. */
  readonly confirm?: (question: string) => Promise<boolean>;
  readonly logsToTerminal: boolean;
}

/** Exit codes: scripts depend on them. */
export const EXIT = { ok: 0, findings: 1, usage: 2, unreachable: 4, refused: 5, bug: 70 } as const;

/** Longest wait for the service, ms. */
const TIMEOUT_MS = 10_000;

/** Ends the command with an exit code, without a further word. */
export class Exit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

export interface SettingsFlags {
  readonly config?: string | undefined;
  /** For the service: what it will not find in its environment is told as well. */
  readonly isService?: boolean;
  /** Roles by name, with commas between them, whatever the file says. */
  readonly role?: string | undefined;
}

/** Settings by `--config` and its kin; prints what is wrong with them and, with errors, exits 1; wrong roles exit 2. */
export function settingsOf(world: World, { config, isService = false, role }: SettingsFlags): Settings {
  const { environment, cwd } = world;
  const file = findSettingsFile(config, environment, cwd);
  const roles = role === undefined ? undefined : rolesIn(world, role);
  const { settings, diagnostics } = loadSettings(file, cwd, isService ? environment : undefined, roles);
  if (!settings || isService) for (const one of diagnostics) world.err(formatDiagnostic(shownTo(world, one)));
  if (!settings) throw new Exit(EXIT.findings);
  if (settings.bus.type === "local" && settings.roles.length < ROLES.length) {
    world.err("tocsin: a process that has not all roles reaches the others over NATS: set bus.type to nats");
    throw new Exit(EXIT.usage);
  }
  return settings;
}

function rolesIn(world: World, flag: string): readonly Role[] {
  const names = flag.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !ROLES.some((role) => role === name));
  if (unknown === undefined) return ROLES.filter((role) => names.includes(role));
  world.err(`tocsin: --role takes ${ROLES.join(", ")}, with commas between them, not ${unknown || "nothing"}`);
  throw new Exit(EXIT.usage);
}

/** Not into a journal: what is wrong may stand beside a secret that nothing tells from other text. */
export function shownTo({ logsToTerminal }: World, diagnostic: Diagnostic): Diagnostic {
  return logsToTerminal ? diagnostic : { ...diagnostic, excerpt: [] };
}

/** What an answer must have to be one: a member of it, or of each row of a list. */
export type Shape = { readonly of: string } | { readonly listOf: string };

/**
 * Asks the running service; with a body it is told something. Throws `E401` when nobody answers, or somebody else,
 * `E402` or the service's own code when it refuses, `E405` when `TOCSIN_URL` is none. Settings are read only without it.
 */
export async function askService(
  world: World,
  settings: () => Settings,
  path: string,
  shape: Shape,
  body?: object,
  timeoutMs = TIMEOUT_MS,
): Promise<unknown> {
  const base = serviceUrl(world.environment.TOCSIN_URL, settings);
  const message =
    body === undefined
      ? {}
      : { method: "POST" as const, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let status: number;
  let text: string;
  try {
    const limits = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
    const { statusCode, body: said } = await request(`${base}${path}`, { ...message, ...limits });
    [status, text] = [statusCode, await said.text()];
  } catch (error) {
    const why = systemCode(error) ?? "no answer";
    const message = `no tocsin answers at ${base} (${why}): start it with "tocsin run", or set TOCSIN_URL`;
    throw new TocsinError("E401", message, { cause: error });
  }
  const answer = jsonOf(text);
  if (status >= 200 && status < 300 && hasShape(answer, shape)) return answer;
  const refusal = refusalIn(answer);
  if (refusal) throw refusal;
  throw new TocsinError("E401", `what answers at ${base} is no tocsin (${status}): set api.listen, or TOCSIN_URL`);
}

/** Without a user's name and password: it is shown. */
function serviceUrl(said: string | undefined, settings: () => Settings): string {
  if (said === undefined || said === "") {
    const { host, port } = settings().api;
    return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  }
  const url = URL.canParse(said) ? new URL(said) : undefined;
  const isPlain = url && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "" && url.hash === "";
  if (!isPlain) throw new TocsinError("E405", "TOCSIN_URL is no http(s) URL: it is http://host:port");
  return said.replace(/\/+$/, "");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function hasShape(answer: unknown, shape: Shape): boolean {
  const has = (one: unknown, member: string) => typeof one === "object" && one !== null && Object.hasOwn(one, member);
  if ("of" in shape) return has(answer, shape.of);
  return Array.isArray(answer) && answer.every((one) => has(one, shape.listOf));
}

/** What the service says when it refuses; `undefined`: these are not its words. */
function refusalIn(answer: unknown): TocsinError | undefined {
  const { error_message: said } = (answer ?? {}) as { error_message?: { faultstring?: unknown; code?: unknown } };
  if (typeof said?.faultstring !== "string") return undefined;
  const own = typeof said.code === "string" && /^E\d{3}$/.test(said.code) ? said.code : "E402";
  return new TocsinError(own, said.faultstring);
}
