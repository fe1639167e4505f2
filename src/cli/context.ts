/** What a command gets from the world, and what it needs to find its settings and its service. */

import { request } from "undici";
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

/** Settings by `--config` and its kin; prints what is wrong with them and exits 1. */
export function settingsOf(world: World, flags: { readonly config?: string | undefined }): Settings {
  const file = findSettingsFile(flags.config, world.environment, world.cwd);
  const { settings, diagnostics } = loadSettings(file, world.cwd);
  if (settings) return settings;
  for (const diagnostic of diagnostics) world.err(formatDiagnostic(diagnostic));
  throw new Exit(EXIT.findings);
}

/**
 * Asks the running service; with a body it is told something. Throws `E401` when nobody answers, `E402` when it
 * refuses.
 */
export async function askService(world: World, settings: Settings, path: string, body?: object): Promise<unknown> {
  const { host, port } = settings.api;
  const base =
    world.environment.TOCSIN_URL?.replace(/\/+$/, "") ?? `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const message =
    body === undefined
      ? {}
      : { method: "POST" as const, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  try {
    const limits = { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS };
    const { statusCode, body: said } = await request(`${base}${path}`, { ...message, ...limits });
    const answer = (await said.json()) as { error_message?: { faultstring?: string } };
    if (statusCode >= 200 && statusCode < 300) return answer;
    throw new TocsinError("E402", answer.error_message?.faultstring ?? `the service answered ${statusCode}`);
  } catch (error) {
    if (error instanceof TocsinError) throw error;
    const why = systemCode(error) ?? "no answer";
    throw new TocsinError(
      "E401",
      `no tocsin answers at ${base} (${why}): start it with "tocsin run", or set TOCSIN_URL`,
      { cause: error },
    );
  }
}
