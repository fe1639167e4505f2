import fc from "fast-check";
import type { buildConnector } from "undici";
import { Client } from "undici";
import { describe, expect, it } from "vitest";
import { splitWebUrl } from "../../src/lib/webUrl.ts";
import { CONFUSING_URLS, HOSTILE_URLS } from "../helpers/hostileUrls.ts";

describe("what is judged is what is connected", () => {
  /** Host and port that a connection would be made to. */
  const connectedTo = async (origin: string) => {
    let to: { hostname: string; port: string; protocol: string } | undefined;
    const connect: buildConnector.connector = ({ hostname, port, protocol }, done) => {
      to = { hostname, port, protocol };
      done(new Error("seen"), null);
    };
    const client = new Client(origin, { connect });
    await client.request({ method: "GET", path: "/" }).catch(() => {});
    await client.destroy();
    return to;
  };
  const agree = async (url: string): Promise<boolean> => {
    const split = splitWebUrl(url);
    if (!split) return false;
    const whole = new URL(url);
    const bare = whole.hostname.replace(/^\[(.*)\]$/, "$1");
    expect(split.hostname).toBe(whole.hostname);
    // Neither the authority as written nor the origin means another host than the whole; what is cut off its end, no
    // header can have.
    const written = URL.parse(`${whole.protocol}//${split.host}/`);
    if (written) expect(written.host).toBe(whole.host);
    else expect([...split.host].some((one) => one < " ")).toBe(true);
    expect(await connectedTo(split.origin)).toEqual({ hostname: bare, port: whole.port, protocol: whole.protocol });
    return true;
  };

  it("of every hostile URL", async () => {
    let split = 0;
    for (const url of HOSTILE_URLS) if (await agree(url.replace("PORT", "8080"))) split++;
    expect(split).toBeGreaterThanOrEqual(60);
    for (const url of CONFUSING_URLS.slice(0, 9)) expect(splitWebUrl(url.replace("PORT", "8080")), url).toBeUndefined();
  });

  it("of any text", async () => {
    const piece = fc.constantFrom(
      ...[
        "http://",
        "https://",
        "HTTP:",
        "//",
        "/",
        "\\",
        "@",
        ":",
        "#",
        "?",
        "%",
        "%40",
        "%2f",
        "%5c",
        "%00",
        "\t",
        "\n",
        "\0",
        " ",
      ],
      ...[
        "。",
        "．",
        "１",
        "①",
        "ß",
        "ａ",
        "\u00ad",
        "\u200d",
        "xn--",
        "%31",
        ".",
        "..",
        "[",
        "]",
        "[::1]",
        "%25",
        "0x",
        "127.0.0.1",
      ],
      ...[
        "a",
        "1",
        "80",
        "good.example",
        "localhost",
        "-",
        "_",
        "|",
        "^",
        "<",
        ";",
        "&",
        "=",
        "+",
        "{",
        "`",
        "\uff03",
        "\uff0f",
      ],
    );
    const url = fc
      .tuple(fc.constantFrom("http://", "https://", "http:", ""), fc.array(piece, { minLength: 1, maxLength: 8 }))
      .map(([scheme, pieces]) => `${scheme}${pieces.join("")}`);
    let sendable = 0;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const numRuns = process.env.TOCSIN_TEST_FULL ? 100_000 : 3000;
    const holds = fc.asyncProperty(url, async (text) => {
      if (await agree(text)) sendable++;
    });
    await fc.assert(holds, { numRuns, seed });
    expect(sendable).toBeGreaterThan(numRuns / 20);
    console.log(`authorities=${numRuns} seed=${seed} sendable=${sendable} differ=0`);
  }, 300_000);
});
