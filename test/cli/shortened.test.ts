import { expect, it } from "vitest";
import { shortIds, shortMiddle, shortTime } from "../../src/cli/shortened.ts";

it.each([
  ["short", 8, "short"],
  ["12345678", 8, "12345678"],
  ["123456789", 8, "123…6789"],
  ["/var/x…/abc.sock", 12, "/var/…c.sock"],
  ["ab…………cd…", 6, "ab…cd…"],
])("%s in %i characters", (text, most, expected) => {
  expect(shortMiddle(text, most)).toBe(expected);
});

it("ids by their first part, wherever they stand", () => {
  const id = "c832ed78-539a-4e4a-a2e8-ae8fcf3f383c";
  expect(shortIds(`${id}:${id}/BACKEND a-b`)).toBe("c832ed78…:c832ed78…/BACKEND a-b");
});

it("the date where it is not today's", () => {
  const at = "2026-11-21T23:59:59.000Z";
  expect(shortTime(at, "2026-11-21T00:00:00.000Z")).toBe("23:59:59");
  expect(shortTime(at, "2026-11-22T00:00:00.000Z")).toBe("2026-11-21 23:59:59");
});
