import { describe, expect, it } from "vitest";
import { parseHttpDate, parseLocalTime, parseRfc3339, rfc3339 } from "../../src/lib/clock.ts";

const AT = Date.UTC(1994, 10, 6, 8, 49, 37);

describe("dates of HTTP", () => {
  it.each([
    ["IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT"],
    ["RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT"],
    ["asctime", "Sun Nov  6 08:49:37 1994"],
  ])("%s, always in GMT", (_, text) => expect(parseHttpDate(text)).toBe(AT));

  it.each([
    "1.5",
    "-5",
    "+60",
    "in 90",
    "garbage 5",
    "60 seconds",
    "5 minutes",
    "1994-11-06T08:49:37Z",
    "1994-11-06",
    "06 Nov 1994 08:49:37 GMT",
    "Sun 5",
    "Sunday 5",
    "Mon, 1",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 +0900",
    "Sun, 06 Nov 1994 08:49:37 GMT soon",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "",
  ])("%j is none", (text) => expect(parseHttpDate(text)).toBeNaN());
});

describe("RFC 3339", () => {
  it.each([
    ["1994-11-06T08:49:37Z", AT],
    ["1994-11-06t08:49:37z", AT],
    ["1994-11-06T08:49:37.000000Z", AT],
    ["1994-11-06T17:49:37.25+09:00", AT + 250],
    ["1994-11-06 08:49Z", AT - 37_000],
    [rfc3339(AT), AT],
  ])("%s", (text, at) => expect(parseRfc3339(text)).toBe(at));

  it.each(["1994-11-06", "1994-11-06T08:49:37", "1994-02-31T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT", "5", ""])(
    "%j is none",
    (text) => expect(parseRfc3339(text)).toBeNaN(),
  );
});

it("a time of a day is the local clock's", () => {
  const local = new Date(1994, 10, 6, 8, 49).getTime();
  expect(parseLocalTime("1994-11-06", "08:49")).toBe(local);
  expect(parseLocalTime("1994-11-06", "08:49:37")).toBe(local + 37_000);
});
