import { expect, it } from "vitest";
import { startProgram } from "../../src/lab/program.ts";
import { systemClock } from "../../src/lib/clock.ts";

const options = { environment: process.env, clock: systemClock, code: "E502" } as const;

it("what is not installed: says what to install", async () => {
  const started = startProgram({
    ...options,
    command: "no-such-server",
    args: [],
    package: "some-package",
    isReady: async () => true,
  });
  await expect(started).rejects.toMatchObject({
    code: "E502",
    message: expect.stringMatching(
      /^cannot start no-such-server: .*ENOENT; install it: {2}sudo apt-get install -y some-package$/,
    ),
  });
});

it("what ends at once: its last words", async () => {
  const args = ["-c", "echo no port >&2; exit 1"];
  const started = startProgram({ ...options, command: "sh", args, isReady: async () => false });
  await expect(started).rejects.toMatchObject({ code: "E502", message: "sh ended at once: no port" });
});

it("works until it is killed, or disposed of", async () => {
  const listeners = process.listeners("exit");
  const start = () =>
    startProgram({
      ...options,
      command: "sh",
      args: ["-c", "echo ready >&2; exec sleep 600"],
      isReady: async (said) => said.includes("ready"),
    });
  await (await start()).kill();
  const other = await start();
  await other[Symbol.asyncDispose]();
  // It has ended already.
  await other[Symbol.asyncDispose]();
  expect(process.listeners("exit")).toEqual(listeners);
});
