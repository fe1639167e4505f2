import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { confirmAt } from "../../src/cli/confirm.ts";

it.each([
  ["y\n", true],
  ["Yes\n", true],
  ["n\n", false],
  ["\n", false],
  ["yellow\n", false],
  ["", false],
])("the answer %j", async (typed, expected) => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const answer = confirmAt("Send it?", input, output);
  input.end(typed);
  expect(await answer).toBe(expected);
  expect(String(output.read())).toBe("Send it? [y/N] ");
});
