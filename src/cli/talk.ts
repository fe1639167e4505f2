/** What the commands that speak with the running service share: how to ask, where to print, flags of many. */

import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Shape } from "./context.ts";

export interface Flags {
  readonly output?: string;
}

export interface Talk {
  /** `timeoutMs`: longest wait for the answer, where it is not the usual. */
  readonly ask: <T>(path: string, shape: Shape, timeoutMs?: number) => Promise<T>;
  readonly tell: <T>(path: string, shape: Shape, body: object, timeoutMs?: number) => Promise<T>;
  /** A line for the person, beside the data. */
  readonly warn: (text: string) => void;
  /** Adds the flags of a command that prints a table. */
  readonly reading: (command: Command) => Command;
  readonly print: (flags: Flags, value: unknown, table: () => string) => void;
  readonly say: (text: string) => void;
  /** Data for programs, as it is. */
  readonly write: (text: string) => void;
  /** The terminal is not known to show more than ASCII. */
  readonly isPlain: boolean;
  /** Asks the person; `undefined`: there is none at a terminal. */
  readonly confirm: ((question: string) => Promise<boolean>) | undefined;
}

/** Longest list that the service tells at once. */
export const MOST_ROWS = 1000;

/** A number of rows as it is typed. */
export function limitOf(text: string): number {
  const rows = Number(text);
  if (/^\d+$/.test(text) && rows >= 1 && rows <= MOST_ROWS) return rows;
  throw new InvalidArgumentError(`it is a whole number from 1 to ${MOST_ROWS}.`);
}
