import { expect, it } from "vitest";
import { printable, printableLine } from "../../src/cli/printable.ts";
import { formatTable } from "../../src/cli/table.ts";

it.each([
  ["plain, ümlaut, 扩容, 👩‍🚒", "plain, ümlaut, 扩容, 👩‍🚒"],
  ["\u001b[2J\u001b]0;title\u0007", "\\u001b[2J\\u001b]0;title\\u0007"],
  ["\u009b31m", "\\u009b31m"],
  ["a\rb\tc\u007f\0", "a\\u000db\\u0009c\\u007f\\u0000"],
  ["\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"],
  ["two\nlines", "two\nlines"],
])("printable %j", (text, shown) => expect(printable(text)).toBe(shown));

it("a line stays one, and JSON stays JSON", () => {
  expect(printableLine("a\nb\u2028c")).toBe("a\\nb\\u2028c");
  const value = { text: "\u009b\u001b\u202e" };
  expect(JSON.parse(printable(JSON.stringify(value, null, 2)))).toEqual(value);
});

it("a cell of a table cannot make a row, and is as wide as it is shown", () => {
  expect(formatTable(["A", "B"], [["x\ny\u001b", "z"]])).toBe("A           B\nx\\ny\\u001b  z");
});
