/** The log: pino, JSON lines for machines, one readable line for people at a terminal. Always on stderr. */

import { pino } from "pino";
import { default as pretty } from "pino-pretty";
import type { Logger } from "../ports.ts";

export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  /** `auto`: text at a terminal, JSON elsewhere. */
  readonly format: "auto" | "json" | "text";
  readonly isTerminal: boolean;
}

/** A logger that writes to stderr at once: what was logged before a crash is there. */
export function createLogger({ level, format, isTerminal }: LogOptions): Logger {
  const asText = format === "text" || (format === "auto" && isTerminal);
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const text = () =>
    pretty({ destination: 2, sync: true, colorize: isTerminal, translateTime: "HH:MM:ss", singleLine: true });
  const log = asText ? pino(options, text()) : pino(options, pino.destination({ dest: 2, sync: true }));
  const write =
    (level: "debug" | "info" | "warn" | "error") =>
    (message: string, fields: object = {}) => {
      try {
        log[level](fields, message);
      } catch {
        // A log that cannot be written (a full disk, a closed pipe) must not end the work that it tells of.
      }
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** A logger that says nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
