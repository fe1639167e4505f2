import fc from "fast-check";
import { expect, it } from "vitest";
import { Breaker } from "../../src/notifier/breaker.ts";

it("opens after five failures in a row, for 30 s, then tries once, and is open for a minute at the most", () => {
  const breaker = new Breaker();
  for (let n = 0; n < 4; n++) breaker.failed(0);
  expect(breaker.state(0)).toBe("closed");
  breaker.failed(0);
  expect([breaker.state(29_999), breaker.restMs(10_000), breaker.state(30_000)]).toEqual(["open", 20_000, "half-open"]);
  breaker.failed(30_000);
  expect([breaker.state(89_999), breaker.state(90_000)]).toEqual(["open", "half-open"]);
  breaker.failed(90_000);
  expect([breaker.state(149_999), breaker.state(150_000)]).toEqual(["open", "half-open"]);
  breaker.succeeded();
  expect([breaker.state(150_000), breaker.restMs(150_000), breaker.isClear]).toEqual(["closed", 0, true]);
});

it("a success between failures begins the count anew", () => {
  const breaker = new Breaker();
  for (let n = 0; n < 4; n++) breaker.failed(0);
  breaker.succeeded();
  for (let n = 0; n < 4; n++) breaker.failed(0);
  expect([breaker.state(0), breaker.isClear]).toEqual(["closed", false]);
});

it("property: what is asked only when it may be is never left alone for more than a minute", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(100_000)), { maxLength: 60 }), (calls) => {
      const breaker = new Breaker();
      let nowMs = 0;
      for (const [fails, waitMs] of calls) {
        nowMs += Math.max(waitMs, breaker.restMs(nowMs));
        expect(breaker.state(nowMs)).not.toBe("open");
        if (fails) breaker.failed(nowMs);
        else breaker.succeeded();
        expect(breaker.restMs(nowMs)).toBeLessThanOrEqual(60_000);
        if (!fails) expect(breaker.state(nowMs)).toBe("closed");
      }
    }),
  );
});
