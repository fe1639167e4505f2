/** Answers that are no success: which status they have, and how they are worded. */

import { TocsinError } from "../lib/errors.ts";

/** A request that is refused, with the status of its answer. */
export class Refusal extends Error {
  readonly statusCode: number;
  /** Of `docs/errors.md`; `undefined`: it is told as E402. */
  readonly errorCode: string | undefined;
  constructor(statusCode: number, message: string, errorCode?: string) {
    super(message);
    this.statusCode = statusCode;
    this.errorCode = errorCode;
  }
}

/** Status of the answer to a request that failed with that error; 500: it is none of the asker's. */
export function statusOf(error: unknown): number {
  if (error instanceof TocsinError) return STATUS_BY_CODE[error.code] ?? 500;
  if (!(error instanceof Error)) return 500;
  const { statusCode } = error as { statusCode?: unknown };
  return typeof statusCode === "number" ? statusCode : 500;
}

const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  E403: 404,
  E404: 503,
  E406: 404,
  E407: 409,
  E408: 404,
  E409: 409,
  E410: 400,
  E411: 404,
  E412: 400,
  E413: 503,
  E414: 404,
  E670: 503,
  E671: 503,
  E672: 503,
  E673: 503,
  E674: 503,
  E675: 400,
  E650: 503,
  E651: 504,
  E660: 503,
  E661: 503,
  E662: 503,
  E663: 504,
  E664: 503,
  E665: 502,
};

/** Its code in `docs/errors.md`; `undefined`: it has none of its own. */
export function codeOf(error: unknown): string | undefined {
  if (error instanceof Refusal) return error.errorCode;
  return error instanceof TocsinError ? error.code : undefined;
}

/** What was asked is repeated so that its mistake can be seen, but not at any length. */
const MOST_CHARACTERS = 500;

/** Errors as Aodh words them, so that one client code reads both; `code` is ours. */
export function errorBody(statusCode: number, message: string, code?: string): object {
  const faultcode = statusCode < 500 ? "Client" : "Server";
  const faultstring = message.length > MOST_CHARACTERS ? `${message.slice(0, MOST_CHARACTERS)}…` : message;
  return {
    error_message: { faultcode, faultstring, debuginfo: null, ...(code === undefined ? {} : { code }) },
  };
}
