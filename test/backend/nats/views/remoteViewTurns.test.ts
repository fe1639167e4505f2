import { expect, it } from "vitest";
import { Turns } from "../../../../src/backend/nats/views/remoteViewTurns.ts";
import { FakeClock } from "../../../helpers/fakeClock.ts";

/** What has come of a promise so far; `waiting`: nothing. */
async function soFar<T>(promise: Promise<T>): Promise<T | "waiting"> {
  await new Promise((resolve) => setImmediate(resolve));
  return Promise.race([promise, "waiting" as const]);
}

it("so many have a turn at each, the others in order", async () => {
  const turns = new Turns(new FakeClock(), 2);
  const [a, b, c, d] = [1, 2, 3, 4].map(() => turns.take("e1", 1000));
  expect(await soFar(a!)).toBeTypeOf("function");
  expect(await soFar(b!)).toBeTypeOf("function");
  expect(await soFar(c!)).toBe("waiting");
  expect(await soFar(turns.take("e2", 1000))).toBeTypeOf("function");
  (await a)?.();
  expect(await soFar(c!)).toBeTypeOf("function");
  expect(await soFar(d!)).toBe("waiting");
  (await b)?.();
  (await c)?.();
  (await d!)?.();
  // All are free again.
  const again = [1, 2, 3].map(() => turns.take("e1", 1000));
  expect(await soFar(again[1]!)).toBeTypeOf("function");
  expect(await soFar(again[2]!)).toBe("waiting");
});

it("who has waited too long has no turn, and takes none away", async () => {
  const clock = new FakeClock();
  const turns = new Turns(clock, 1);
  const end = await turns.take("e1", 1000);
  const late = turns.take("e1", 1000);
  const later = turns.take("e1", 5000);
  clock.advance(1000);
  expect(await soFar(late)).toBeUndefined();
  end?.();
  expect(await soFar(later)).toBeTypeOf("function");
});
