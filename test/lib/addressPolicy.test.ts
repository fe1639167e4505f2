import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAddressPolicy, isPolicyEntry } from "../../src/lib/addressPolicy.ts";

const none = createAddressPolicy({ allow: [], deny: [] });
const hostnameOf = (url: string) => new URL(url).hostname;

describe("what no receiver can have is refused, to everybody", () => {
  it.each([
    ["0.0.0.0", "unspecified"],
    ["0.1.2.3", "unspecified"],
    ["[::]", "unspecified"],
    ["[::ffff:0.0.0.0]", "unspecified"],
    ["169.254.0.1", "link-local"],
    ["169.254.169.254", "link-local"],
    ["[fe80::1]", "link-local"],
    ["fe80::1%eth0", "link-local"],
    ["[febf:ffff::1]", "link-local"],
    ["[::ffff:169.254.169.254]", "link-local"],
    ["[::169.254.169.254]", "link-local"],
    ["[64:ff9b::a9fe:a9fe]", "link-local"],
    ["[2002:a9fe:a9fe::1]", "link-local"],
    ["[64:ff9b:1::a9fe:a9fe]", "link-local"],
    ["[64:ff9b:1:fffe::169.254.169.254]", "link-local"],
    ["[64:ff9b:1:a9fe:a9:fe00::]", "link-local"],
    ["[64:ff9b:1:a9:fe:a9fe::]", "link-local"],
    ["[64:ff9b:1:0:a9:fea9:fe00:0]", "link-local"],
    ["[::ffff:0:169.254.169.254]", "link-local"],
    ["[fd00:ec2::254]", "a cloud's metadata service"],
    ["[fd00:ec2::23]", "a cloud's metadata service"],
    ["[fd20:ce::254]", "a cloud's metadata service"],
    ["168.63.129.16", "a cloud's metadata service"],
    ["100.100.100.200", "a cloud's metadata service"],
    ["192.0.0.192", "a cloud's metadata service"],
    ["224.0.0.1", "multicast"],
    ["239.255.255.250", "multicast"],
    ["[ff02::1]", "multicast"],
    ["240.0.0.1", "reserved"],
    ["255.255.255.255", "broadcast"],
  ])("%s is %s", (host, kind) => {
    for (const isGuest of [false, true])
      expect(none.refusalOfHost(host, isGuest)).toMatch(
        new RegExp(` is ${kind}: refused unless notifier.allow names it$`),
      );
  });

  it("and the reason says which, and how to mend it", () => {
    expect(none.refusalOfHost("169.254.169.254", false)).toBe(
      "169.254.169.254 is link-local: refused unless notifier.allow names it",
    );
    expect(none.refusalOfHost("[::FFFF:169.254.169.254]", false)).toBe(
      "::ffff:169.254.169.254 (that is 169.254.169.254) is link-local: refused unless notifier.allow names it",
    );
    expect(none.refusalOfAddress("fe80::1%eth0", "Web.example.", false)).toBe(
      "web.example, which resolves to fe80::1, is link-local: refused unless notifier.allow names it",
    );
  });
});

describe("loopback is refused to guests alone", () => {
  it.each(["127.0.0.1", "127.255.255.255", "[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"])(
    "%s",
    (host) => {
      expect(none.refusalOfHost(host, false)).toBeUndefined();
      expect(none.refusalOfHost(host, true)).toContain("is loopback: refused to what was made over the API unless");
    },
  );
  it.each(["localhost", "LOCALHOST", "localhost.", "x.localhost", "a.b.LocalHost."])("the name %s", (host) => {
    expect(none.refusalOfHost(host, false)).toBeUndefined();
    expect(none.refusalOfHost(host, true)).toContain("is loopback");
  });
  it("whatever is called so and is not", () => {
    for (const host of ["mylocalhost", "localhost.example", "localhos"])
      expect(none.refusalOfHost(host, true)).toBeUndefined();
  });
  it("the name goes with its address: who allows one has allowed the other", () => {
    for (const allow of ["127.0.0.0/8", "::1", "localhost"])
      expect(createAddressPolicy({ allow: [allow], deny: [] }).refusalOfHost("localhost", true)).toBeUndefined();
    const named = createAddressPolicy({ allow: ["localhost"], deny: [] });
    expect(named.refusalOfAddress("127.0.0.1", "localhost", true)).toBeUndefined();
    expect(named.refusalOfHost("127.0.0.1", true)).toContain("is loopback");
  });
});

it.each([
  "10.0.0.1",
  "172.16.10.10",
  "192.168.1.1",
  "100.64.0.1",
  "8.8.8.8",
  "[fd00::1]",
  "[2001:db8::1]",
  "web.internal",
])("%s is where receivers are", (host) => {
  for (const isGuest of [false, true]) expect(none.refusalOfHost(host, isGuest)).toBeUndefined();
});

describe("the operator's lists", () => {
  const refusal = (allow: readonly string[], deny: readonly string[], host: string, address?: string) => {
    const policy = createAddressPolicy({ allow, deny });
    return address === undefined ? policy.refusalOfHost(host, true) : policy.refusalOfAddress(address, host, true);
  };
  it.each([
    { why: "an entry allows what is refused by itself", allow: ["169.254.0.0/16"], deny: [], host: "169.254.169.254" },
    {
      why: "a name, whatever it resolves to",
      allow: ["*.internal"],
      deny: [],
      host: "a.internal",
      address: "169.254.0.1",
    },
    { why: "a name in another spelling", allow: ["*.Internal."], deny: [], host: "A.INTERNAL.", address: "127.0.0.1" },
    { why: "an embedded address by its IPv4", allow: ["127.0.0.1"], deny: [], host: "[::ffff:7f00:1]" },
    { why: "an IPv4 by its mapped range", allow: ["::ffff:127.0.0.0/104"], deny: [], host: "127.9.9.9" },
    { why: "everything", allow: ["*"], deny: [], host: "[::1]" },
  ])("allow: $why", ({ allow, deny, host, address }) => expect(refusal(allow, deny, host, address)).toBeUndefined());

  it.each([
    { why: "deny goes first", allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"], host: "10.1.2.3", by: "10.1.0.0/16" },
    {
      why: "also where its name is allowed",
      allow: ["*.internal"],
      deny: ["10.1.2.3"],
      host: "a.internal",
      address: "10.1.2.3",
      by: "10.1.2.3",
    },
    { why: "a name", allow: [], deny: ["*.example"], host: "A.b.example.", by: "*.example" },
    {
      why: "a name whose address is allowed",
      allow: ["10.0.0.0/8"],
      deny: ["a?.example"],
      host: "a1.example",
      address: "10.0.0.1",
      by: "a?.example",
    },
    {
      why: "an embedded address by its IPv4",
      allow: [],
      deny: ["10.0.0.0/8"],
      host: "[64:ff9b::10.1.2.3]",
      by: "10.0.0.0/8",
    },
    { why: "a translator's range", allow: [], deny: ["64:ff9b::/96"], host: "[64:ff9b::8.8.8.8]", by: "64:ff9b::/96" },
    {
      why: "a mapped range means its IPv4",
      allow: [],
      deny: ["::ffff:10.0.0.0/104"],
      host: "10.1.2.3",
      by: "::ffff:10.0.0.0/104",
    },
    {
      why: "a local translator's range means its IPv4",
      allow: [],
      deny: ["64:ff9b:1::10.0.0.0/104"],
      host: "10.1.2.3",
      by: "64:ff9b:1::10.0.0.0/104",
    },
    { why: "everything", allow: ["*"], deny: ["*"], host: "10.0.0.1", by: "*" },
  ])("deny: $why", ({ allow, deny, host, address, by }) =>
    expect(refusal(allow, deny, host, address)).toMatch(` is refused: notifier.deny has ${by}`),
  );

  it.each([
    { why: "a range of IPv6 lets no IPv4 in", allow: ["::/0"], host: "[::ffff:169.254.169.254]" },
    { why: "nor by 6to4", allow: ["2000::/3"], host: "[2002:a9fe:a9fe::]" },
    { why: "nor a bare one", allow: ["::/0"], host: "169.254.169.254" },
    {
      why: "an allowed address is not its name's others",
      allow: ["10.0.0.1"],
      host: "a.example",
      address: "127.0.0.1",
    },
    { why: "a glob of names is not of addresses", allow: ["*.1"].filter(isPolicyEntry), host: "127.0.0.1" },
  ])("not allowed: $why", ({ allow, host, address }) => expect(refusal(allow, [], host, address)).toBeDefined());

  it("denying all IPv6 denies no IPv4", () => {
    expect(refusal([], ["::/0"], "10.0.0.1")).toBeUndefined();
    expect(refusal([], ["::/0"], "[2001:db8::1]")).toContain("notifier.deny has ::/0");
  });

  it("what is no address is not connected to", () => {
    for (const address of ["", "127.1", "0x7f.1", "evil", "1.2.3.4%eth0"])
      expect(refusal(["*"], [], "a.example", address)).toBe("a.example resolves to what is no address");
  });
});

describe("entries", () => {
  it.each([
    "10.0.0.0/8",
    "10.0.0.1",
    "::/0",
    "fe80::/10",
    "::ffff:10.0.0.0/104",
    "0.0.0.0/0",
    "*",
    "*.internal",
    "web-?.example",
    "localhost",
    "Web.Example.",
    "x_y",
    "*.x9",
  ])("%s is one", (text) => {
    expect(isPolicyEntry(text)).toBe(true);
    expect(() => createAddressPolicy({ allow: [text], deny: [text] })).not.toThrow();
  });
  it.each([
    "",
    " ",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0/8",
    "10.0.*",
    "0x7f.1",
    "2130706433",
    "127.1",
    "a.0x1",
    "http://a",
    "a:80",
    "a/8",
    "[::1]",
    "fe80::1%eth0",
    "..",
    "a..b",
    "bücher.example",
    "a b",
    "{x}",
    "-1.-1/8",
    "1.2.3.4/08x",
  ])("'%s' is none", (text) => {
    expect(isPolicyEntry(text)).toBe(false);
    expect(() => createAddressPolicy({ allow: [], deny: [text] })).toThrow("is no CIDR");
  });
});

it.each([
  "127.1",
  "0x7f000001",
  "2130706433",
  "0177.0.0.1",
  "0x7f.1",
  "１２７.0.0.1",
  "127。0。0。1",
  "%31%32%37.0.0.1",
  "127.0.0.1.",
])("%s is 127.0.0.1, asked as a URL has it or as it is written", (host) => {
  expect(none.refusalOfHost(hostnameOf(`http://${host}/`), true)).toMatch(/^127\.0\.0\.1 is loopback/);
  expect(none.refusalOfHost(host, true)).toMatch(/^127\.0\.0\.1 is loopback/);
});

/** Numbers compared, nothing else: slow and obvious. */
type Block = { readonly family: 4 | 6; readonly base: bigint; readonly bits: number };
const v4 = (a: number, b: number, c: number, d: number) =>
  (BigInt(a) << 24n) | (BigInt(b) << 16n) | (BigInt(c) << 8n) | BigInt(d);
const has = ({ family, base, bits }: Block, address: { family: 4 | 6; value: bigint }) => {
  const shift = BigInt((family === 4 ? 32 : 128) - bits);
  return family === address.family && base >> shift === address.value >> shift;
};
const REFUSED: readonly Block[] = [
  { family: 4, base: v4(0, 0, 0, 0), bits: 8 },
  { family: 4, base: v4(169, 254, 0, 0), bits: 16 },
  { family: 4, base: v4(100, 100, 100, 200), bits: 32 },
  { family: 4, base: v4(192, 0, 0, 192), bits: 32 },
  { family: 4, base: v4(224, 0, 0, 0), bits: 4 },
  { family: 4, base: v4(240, 0, 0, 0), bits: 4 },
  { family: 6, base: 0n, bits: 128 },
  { family: 6, base: 0xfe80n << 112n, bits: 10 },
  { family: 6, base: 0xff00n << 112n, bits: 8 },
  { family: 6, base: (0xfd00n << 112n) | (0x0ec2n << 96n) | 0x254n, bits: 128 },
];
const LOOPBACK: readonly Block[] = [
  { family: 4, base: v4(127, 0, 0, 0), bits: 8 },
  { family: 6, base: 1n, bits: 128 },
];
const CARRIERS: readonly { readonly block: Block; readonly shift: bigint }[] = [
  { block: { family: 6, base: 0xffffn << 32n, bits: 96 }, shift: 0n },
  { block: { family: 6, base: 0n, bits: 96 }, shift: 0n },
  { block: { family: 6, base: (0x64n << 112n) | (0xff9bn << 96n), bits: 96 }, shift: 0n },
  { block: { family: 6, base: 0x2002n << 112n, bits: 16 }, shift: 80n },
];
function inner(address: { family: 4 | 6; value: bigint }): { family: 4 | 6; value: bigint } {
  if (address.family === 4 || address.value <= 1n) return address;
  const carrier = CARRIERS.find(({ block }) => has(block, address));
  return carrier ? { family: 4, value: (address.value >> carrier.shift) & 0xffff_ffffn } : address;
}
const textOf = ({ family, value }: { family: 4 | 6; value: bigint }) =>
  family === 4
    ? [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".")
    : [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n].map((shift) => ((value >> shift) & 0xffffn).toString(16)).join(":");

const near = (base: bigint, size: bigint) =>
  fc.bigInt({ min: -2n, max: 2n }).map((by) => (base + by + (1n << size)) % (1n << size));
const v4Value = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
  fc
    .constantFrom(...[...REFUSED, ...LOOPBACK].filter(({ family }) => family === 4))
    .chain(({ base, bits }) => fc.oneof(near(base, 32n), near(base + (1n << BigInt(32 - bits)), 32n))),
);
const anAddress = fc.oneof(
  v4Value.map((value) => ({ family: 4 as const, value })),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ family: 6 as const, value })),
  fc
    .constantFrom(...[...REFUSED, ...LOOPBACK].filter(({ family }) => family === 6))
    .chain(({ base, bits }) => fc.oneof(near(base, 128n), near(base + (1n << BigInt(128 - bits)), 128n)))
    .map((value) => ({ family: 6 as const, value })),
  fc
    .tuple(fc.constantFrom(...CARRIERS), v4Value)
    .map(([{ block, shift }, value]) => ({ family: 6 as const, value: block.base | (value << shift) })),
);
const aBlock = anAddress.chain(({ family, value }) =>
  fc.integer({ min: 1, max: family === 4 ? 32 : 128 }).map((bits): Block => ({ family, base: value, bits })),
);

it("agrees with numbers compared, for IPv4, IPv6 and IPv4 inside IPv6, with and without lists", () => {
  const counts = { refused: 0, allowed: 0 };
  const agrees = fc.property(
    anAddress,
    fc.boolean(),
    fc.array(aBlock, { maxLength: 3 }),
    fc.array(aBlock, { maxLength: 3 }),
    (address, isGuest, allow, deny) => {
      const reached = inner(address);
      // A block that lies in a carrier's range stands for the IPv4 addresses inside it.
      const blocks = (list: readonly Block[]) =>
        list.flatMap((block) => {
          const carried = inner({ family: block.family, value: block.base });
          const ends = block.family === 6 && block.bits >= 96 && block.base >> 112n !== 0x2002n;
          return carried.family === 4 && ends
            ? [block, { family: 4 as const, base: carried.value, bits: block.bits - 96 }]
            : [block];
        });
      const expected = blocks(deny).some((block) => has(block, reached) || has(block, address))
        ? "refused"
        : blocks(allow).some((block) => has(block, reached))
          ? "allowed"
          : [...REFUSED, ...(isGuest ? LOOPBACK : [])].some((block) => has(block, reached))
            ? "refused"
            : "allowed";
      counts[expected]++;
      const entries = (list: readonly Block[]) =>
        list.map(({ family, base, bits }) => `${textOf({ family, value: base })}/${bits}`);
      const policy = createAddressPolicy({ allow: entries(allow), deny: entries(deny) });
      const text = textOf(address);
      for (const found of [policy.refusalOfHost(text, isGuest), policy.refusalOfAddress(text, "a.example", isGuest)])
        expect(found === undefined ? "allowed" : "refused").toBe(expected);
      if (address.family === 6)
        expect(policy.refusalOfHost(hostnameOf(`http://[${text}]/`), isGuest) === undefined).toBe(
          expected === "allowed",
        );
    },
  );
  const seed = Math.floor(Math.random() * 2 ** 31);
  const numRuns = process.env.TOCSIN_TEST_FULL ? 100_000 : 3000;
  fc.assert(agrees, { numRuns, seed });
  console.log(`addresses=${numRuns} seed=${seed} refused=${counts.refused} allowed=${counts.allowed} differ=0`);
}, 300_000);
