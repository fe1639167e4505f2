import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { floatRepr, PythonFloat, pythonJson } from "../../src/lib/python.ts";

describe("floatRepr prints as Python's repr()", () => {
  // Each right-hand side was printed by CPython 3.11.
  it.each([
    [8, "8.0"],
    [0, "0.0"],
    [-0, "-0.0"],
    [29500.25, "29500.25"],
    [0.1, "0.1"],
    [1e-4, "0.0001"],
    [1e-5, "1e-05"],
    [1.5e-7, "1.5e-07"],
    [1e15, "1000000000000000.0"],
    [1e16, "1e+16"],
    [1.2345e22, "1.2345e+22"],
    [123456789012345680, "1.2345678901234568e+17"],
    [5e-324, "5e-324"],
    [-2.5, "-2.5"],
    [Number.NaN, "nan"],
    [-Infinity, "-inf"],
  ])("%s", (value, text) => expect(floatRepr(value)).toBe(text));

  it("round-trips every finite double", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = floatRepr(value);
        expect(Number(text)).toBe(value);
        expect(text).toMatch(/[.e]/);
      }),
    );
  });
});

describe("pythonJson prints as json.dumps()", () => {
  it("separators, floats, order and ASCII", () => {
    const value = { b: [1, new PythonFloat(1), null, true], a: 'é"\n\u007f😀', nested: {} };
    expect(pythonJson(value)).toBe(
      String.raw`{"b": [1, 1.0, null, true], "a": "\u00e9\"\n\u007f\ud83d\ude00", "nested": {}}`,
    );
  });

  it("reads back as the same value", () => {
    const json = fc.jsonValue();
    const roundTrips = fc.property(json, (value) => {
      expect(JSON.parse(pythonJson(value as never))).toEqual(JSON.parse(JSON.stringify(value)));
    });
    fc.assert(roundTrips);
  });
});
