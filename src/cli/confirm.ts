/** Asks the person at the terminal. */

import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";

/** Whether the answer is yes; anything else, and no answer, is no. */
export async function confirmAt(question: string, input: Readable, output: Writable): Promise<boolean> {
  const lines = createInterface({ input, output });
  try {
    const closed = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
    const answer = await Promise.race([lines.question(`${question} [y/N] `), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
