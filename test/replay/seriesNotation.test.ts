import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SeriesValue } from "../../src/replay/seriesNotation.ts";
import { expandSeries } from "../../src/replay/seriesNotation.ts";

describe("values of a series", () => {
  it.each([
    { text: "", values: [] },
    { text: "1 2.5 -3 1e3", values: [1, 2.5, -3, 1000] },
    { text: "-2+4x3", values: [-2, 2, 6, 10] },
    { text: " 1-2x4", values: [1, -1, -3, -5, -7] },
    { text: "1x4", values: [1, 1, 1, 1, 1] },
    { text: "0x2", values: [0, 0, 0] },
    { text: "7x0", values: [7] },
    { text: "4x1 _x3 stale\n 5 _", values: [4, 4, "missing", "missing", "missing", "stale", 5, "missing"] },
    { text: "_x0", values: [] },
    { text: ".5+.25x2", values: [0.5, 0.75, 1] },
  ])("$text", ({ text, values }) => expect(expandSeries(text)).toEqual({ ok: true, values }));

  it.each([
    { text: "1 2 x", character: 5, message: '"x" is none of a, axn, a+bxn, a-bxn, _, _xn and stale' },
    { text: "1+2", character: 1, message: '"1+2" is none of a, axn, a+bxn, a-bxn, _, _xn and stale' },
    { text: "0x1F", character: 1, message: '"0x1F" is none of a, axn, a+bxn, a-bxn, _, _xn and stale' },
    { text: "NaN", character: 1, message: '"NaN" is none of a, axn, a+bxn, a-bxn, _, _xn and stale' },
    { text: "1 stalex3", character: 3, message: '"stalex3" is none of a, axn, a+bxn, a-bxn, _, _xn and stale' },
    { text: "1 _x99999999999", character: 3, message: "more than 100000 values" },
    { text: "1x99999 1", character: 9, message: "more than 100000 values" },
    { text: "1e308+1e308x3", character: 1, message: '"1e308+1e308x3" grows beyond what a number holds' },
  ])("$text is refused", ({ text, character, message }) =>
    expect(expandSeries(text)).toEqual({ ok: false, character, message }),
  );

  it("expands to what a naive reader writes out by hand", () => {
    const number = fc.integer({ min: -1000, max: 1000 });
    const times = fc.integer({ min: 0, max: 20 });
    const item = fc.oneof(
      fc.record({ kind: fc.constant("plain" as const), first: number }),
      fc.record({ kind: fc.constant("same" as const), first: number, times }),
      fc.record({ kind: fc.constant("step" as const), first: number, by: number, times }),
      fc.record({ kind: fc.constant("gap" as const), times }),
      fc.record({ kind: fc.constant("stale" as const) }),
    );
    const runs = process.env.TOCSIN_TEST_FULL ? 20_000 : 500;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const holds = fc.property(
      fc.array(item, { maxLength: 12 }),
      fc.constantFrom(" ", "  ", "\n", "\t"),
      (items, space) => {
        const words: string[] = [];
        const wanted: SeriesValue[] = [];
        for (const one of items) {
          switch (one.kind) {
            case "plain":
              words.push(`${one.first}`);
              wanted.push(one.first);
              break;
            case "same":
              words.push(`${one.first}x${one.times}`);
              for (let n = 0; n <= one.times; n++) wanted.push(one.first);
              break;
            case "step": {
              words.push(`${one.first}${one.by < 0 ? "-" : "+"}${Math.abs(one.by)}x${one.times}`);
              let value = one.first;
              wanted.push(value);
              for (let n = 0; n < one.times; n++) {
                value += one.by;
                wanted.push(value);
              }
              break;
            }
            case "gap":
              words.push(`_x${one.times}`);
              for (let n = 0; n < one.times; n++) wanted.push("missing");
              break;
            case "stale":
              words.push("stale");
              wanted.push("stale");
          }
        }
        expect(expandSeries(words.join(space))).toEqual({ ok: true, values: wanted });
      },
    );
    fc.assert(holds, { numRuns: runs, seed });
    console.log(`series notations=${runs} seed=${seed} differ=0`);
  });
});
