/** Answers that are no success: which status they have, and how they are worded. */

import { TocsinError } from "../lib/errors.ts";

/** A request that is refused, with the status of its answer. */
export class Refusal extends Error {
  readonly statusCode: number;
  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** Status of the answer to a request that failed with that error; 500: it is none of the asker's. */
export function statusOf(error: unknown): number {
  if (error instanceof TocsinError) return STATUS_BY_CODE[error.code] ?? 500;
  if (!(error instanceof Error)) return 500;
  const { statusCode } = error as { statusCode?: unknown };
  return typeof statusCode === "number" ? statusCode : 500;
}

const STATUS_BY_CODE: Readonly<Record<string, number>> = { E403: 404, E404: 503 };

/** Errors as Aodh words them, so that one client code reads both. */
export function errorBody(statusCode: number, message: string): object {
  const faultcode = statusCode < 500 ? "Client" : "Server";
  return { error_message: { faultcode, faultstring: message, debuginfo: null } };
}
