/**
 * URLs signed as Heat signs them (EC2 signature version 2: HMAC over verb, authority, path and sorted parameters)
 * arrive as they were written.
 */

import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitWebUrl } from "../../src/lib/webUrl.ts";
import { aTarget, sent } from "../helpers/posts.ts";
import type { Received } from "../helpers/receiver.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";

const SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/** Percent-encoding of RFC 3986: all but its unreserved characters. */
const strict = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
const decoded = (text: string) => decodeURIComponent(text.replaceAll("+", " "));

type Params = readonly (readonly [name: string, value: string])[];

/** Signature of a request; names and values as they are, not as a URL writes them. */
function ec2Signature(verb: string, host: string, path: string, params: Params, secret: string): string {
  const sorted = params.filter(([name]) => name !== "Signature").sort(([a], [b]) => (a < b ? -1 : 1));
  const query = sorted.map(([name, value]) => `${strict(name)}=${strict(value)}`).join("&");
  return createHmac("sha256", secret).update([verb, host.toLowerCase(), path, query].join("\n")).digest("base64");
}

const paramsOf = (query: string): Params =>
  query.split("&").map((pair) => {
    const at = pair.indexOf("=");
    return [decoded(pair.slice(0, at)), decoded(pair.slice(at + 1))] as const;
  });

/** Whether what came in bears its own signature. */
function isSigned({ head, headers }: Received): boolean {
  const [verb = "", target = ""] = head.split("\r\n", 1)[0]?.split(" ") ?? [];
  const at = target.indexOf("?");
  const params = paramsOf(target.slice(at + 1));
  const given = params.find(([name]) => name === "Signature")?.[1];
  return given === ec2Signature(verb, headers.host ?? "", decodeURIComponent(target.slice(0, at)), params, SECRET);
}

interface Written {
  readonly path: string;
  /** Parameters as written, without the signature; `SIGNATURE` is where it goes, or at the end. */
  readonly query: string;
}

/** The URL with its signature, everything as it is written. */
function signedUrl(authority: string, { path, query }: Written, spell = strict): string {
  const params = paramsOf(query).filter(([name]) => name !== "SIGNATURE");
  const made = `Signature=${spell(ec2Signature("POST", authority, decodeURIComponent(path), params, SECRET))}`;
  const whole = query.includes("SIGNATURE=") ? query.replace("SIGNATURE=", made) : `${query}&${made}`;
  return `http://${authority}${path}?${whole}`;
}

const ARN = "arn%3Aopenstack%3Aheat%3A%3Ac2a0%3Astacks/web/6f8a/resources/scale_out";
const QUERY = "SignatureMethod=HmacSHA256&SignatureVersion=2&AWSAccessKeyId=a1b2";

const TABLE: readonly (Written & { readonly name: string })[] = [
  { name: "as Heat writes it", path: `/v1/signal/${ARN}`, query: QUERY },
  { name: "lower-case hex", path: `/v1/signal/${ARN.replaceAll("%3A", "%3a")}`, query: QUERY },
  { name: "colons as they are", path: `/v1/signal/${ARN.replaceAll("%3A", ":")}`, query: QUERY },
  { name: "%2F and %2B in the path", path: "/v1/signal/a%2Fb%2Bc%2fd%2be+f", query: QUERY },
  { name: "what needs no escape", path: "/v1/%73ignal/%7Ex/%41", query: `${QUERY}&%4E=%41%62` },
  { name: "dots and slashes", path: "/v1//signal/../x/./%2e%2E/y/", query: QUERY },
  { name: "text beyond ASCII", path: "/v1/%C3%A9/%f0%9f%98%80", query: `${QUERY}&n=%E2%80%A8` },
  { name: "marks that URLs may have", path: "/v1/a;b=c,d/e@f!$'()*~-_.", query: `${QUERY}&m=;,@!$'()*~-_./:?` },
  { name: "marks that a browser escapes", path: "/v1/|^`{}[]", query: `${QUERY}&m=|^\`{}[]` },
  { name: "another order", path: "/x", query: "b=2&SIGNATURE=&a=1&SignatureMethod=HmacSHA256&B=3" },
  { name: "empty values", path: "/x", query: `a=&${QUERY}&b=&z=` },
  { name: "plus and %20", path: "/x%20y", query: `${QUERY}&s=a+b%20c%2Bd` },
  { name: "%3D, %26, %25 and %23", path: "/x%25y%23%3F", query: `${QUERY}&t=a%3Db%26c%2525%23` },
  { name: "a date", path: "/x", query: `Timestamp=2026-11-21T00%3A53%3A20Z&${QUERY}&Expires=` },
  { name: "the root", path: "/", query: QUERY },
];

describe("a signed URL", () => {
  it("arrives as it was written, whatever that is: each verifies", async () => {
    await using receiver = await heat();
    const { port } = receiver;
    let verified = 0;
    const wrong: string[] = [];
    const lower = (text: string) => strict(text).replace(/%../g, (one) => one.toLowerCase());
    // URL normalises the port and the name away; a Host that differs is another signature.
    for (const authority of [`127.0.0.1:${port}`, `127.0.0.1:0${port}`, `LocalHost:${port}`]) {
      for (const spell of [strict, lower]) {
        for (const written of TABLE) {
          const url = signedUrl(authority, written, spell);
          const outcome = await sent(aTarget(url));
          const request = receiver.received.at(-1);
          const target = request?.head.split(" ")[1];
          if (outcome.status === 200 && request?.headers.host === authority && url === `http://${authority}${target}`)
            verified++;
          else wrong.push(`${written.name}: ${outcome.status} ${outcome.reason} ${target}`);
        }
      }
    }
    const { runs, seed } = await anyUrl(receiver.port);
    console.log(`signed URLs verified=${verified + runs} of ${TABLE.length * 6 + runs} seed=${seed}`);
    expect(wrong).toEqual([]);
  }, 120_000);

  it.each([
    { name: "a parameter appended", change: (url: string) => `${url}&x=1` },
    { name: "a parameter dropped", change: (url: string) => url.replace("SignatureVersion=2&", "") },
    { name: "a value changed", change: (url: string) => url.replace("a1b2", "a1b3") },
    { name: "another path", change: (url: string) => url.replace("scale_out", "scale_in") },
    { name: "another host", change: (url: string) => url.replace("127.0.0.1", "localhost") },
    { name: "the port written otherwise", change: (url: string) => url.replace("127.0.0.1:", "127.0.0.1:0") },
    {
      name: "a signature decoded once more",
      change: (url: string) => url.replace(/Signature=.*$/, decodeURIComponent),
    },
  ])("$name: refused", async ({ change }) => {
    await using receiver = await heat();
    // One whose signature has a plus in it, so that decoding it shows.
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    const urls = numbers.map((number) =>
      signedUrl(`127.0.0.1:${receiver.port}`, { path: `/v1/signal/${ARN}`, query: `${QUERY}&n=${number}` }),
    );
    const url = urls.find((one) => one.includes("%2B"))!;
    expect(await sent(aTarget(url))).toMatchObject({ outcome: "accepted", status: 200 });
    expect(change(url)).not.toBe(url);
    expect(await sent(aTarget(change(url)))).toMatchObject({ status: 403 });
  });

  it.each([
    { url: "http://heat.example:80/a%3Ab?x=%2F", host: "heat.example:80", path: "/a%3Ab?x=%2F" },
    { url: "https://Heat.example:443?x=", host: "Heat.example:443", path: "/?x=" },
    { url: "HTTP://[::1]:080/", host: "[::1]:080", path: "/" },
  ])("$url keeps a port that goes without saying", ({ url, host, path }) => {
    expect(splitWebUrl(url)).toMatchObject({ host, path });
  });

  // The example of Amazon's documentation of signature version 2.
  it("the verifier makes the published signature", () => {
    const params: Params = [
      ["AWSAccessKeyId", "AKIAIOSFODNN7EXAMPLE"],
      ["Action", "DescribeJobFlows"],
      ["SignatureMethod", "HmacSHA256"],
      ["SignatureVersion", "2"],
      ["Timestamp", "2011-10-03T15:19:30"],
      ["Version", "2009-03-31"],
    ];
    const made = ec2Signature("GET", "elasticmapreduce.amazonaws.com", "/", params, SECRET);
    expect(made).toBe("i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf/Mj6vPxyYIs=");
  });
});

/** Takes what is signed, and refuses the rest as Heat does. */
function heat() {
  return rawReceiver((socket, request) => socket.end(answerOf(isSigned(request) ? 200 : 403)));
}

/** Random paths and parameters, each character escaped in upper or lower hex, or not where it may stand by itself. */
async function anyUrl(port: number): Promise<{ readonly runs: number; readonly seed: number }> {
  const runs = process.env.TOCSIN_TEST_FULL ? 2000 : 60;
  const seed = Math.floor(Math.random() * 2 ** 31);
  const spelt = fc
    .tuple(fc.constantFrom(..."abzAZ09-_.~:/+=&% é😀?#"), fc.constantFrom("plain", "upper", "lower"))
    .map(([one, how]) => {
      if (how === "plain" && /[\w.~-]/.test(one)) return one;
      const escaped = [...Buffer.from(one)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
      return how === "lower" ? escaped : escaped.toUpperCase();
    });
  const word = fc.array(spelt, { maxLength: 12 }).map((parts) => parts.join(""));
  const params = fc.uniqueArray(fc.tuple(word, word), {
    minLength: 1,
    maxLength: 6,
    selector: ([name]) => decoded(name),
  });
  const property = fc.asyncProperty(fc.array(word, { maxLength: 5 }), params, async (path, pairs) => {
    const query = pairs.map(([name, value]) => `p${name}=${value}`).join("&");
    const url = signedUrl(`127.0.0.1:${port}`, { path: `/${path.join("/")}`, query });
    expect(await sent(aTarget(url))).toMatchObject({ outcome: "accepted", status: 200 });
  });
  await fc.assert(property, { numRuns: runs, seed });
  return { runs, seed };
}
