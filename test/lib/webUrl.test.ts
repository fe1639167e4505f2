import { expect, it } from "vitest";
import { splitWebUrl } from "../../src/lib/webUrl.ts";

it.each([
  { url: "http://h:80/a?b", split: { origin: "http://h", hostname: "h", host: "h:80", path: "/a?b" } },
  { url: "HTTP://Host", split: { origin: "http://host", hostname: "host", host: "Host", path: "/" } },
  { url: "https://h?x=1#y", split: { origin: "https://h", hostname: "h", host: "h", path: "/?x=1" } },
  { url: "http://h/!~'\"<>|{}", split: { origin: "http://h", hostname: "h", host: "h", path: "/!~'\"<>|{}" } },
])("$url keeps every byte", ({ url, split }) => expect(splitWebUrl(url)).toEqual(split));

it.each([
  "http://h/→",
  "http://h/?ü",
  "http://h/a b",
  "http://h/a\tb",
  "http://h/a\n",
  "http://h/\x7f",
  "http://h/#\n",
  "http://h\x00/",
  "http://ß.example/",
  "http://h．example/",
  "http://u@h/",
  "http://h\\x/",
  "http:///x",
  "ftp://h/",
  "log:",
])("%j cannot be sent as it is written", (url) => expect(splitWebUrl(url)).toBeUndefined());
