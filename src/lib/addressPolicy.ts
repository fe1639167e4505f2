/**
 * Which addresses may be connected to. What the operator denies is refused, what the operator allows is allowed, and of
 * the rest whatever no receiver can have is refused: unspecified, link-local, metadata services, multicast, reserved.
 * Private addresses and loopback are where scalers live; loopback is refused to guests alone.
 */

import { BlockList, isIP, isIPv4 } from "node:net";
import { matchesGlob } from "./globs.ts";
import { carriedIpv4 } from "./ipv6.ts";

export interface AddressPolicy {
  /**
   * Why nothing may be sent to that host (`URL.hostname`: a name, an IPv4, or an IPv6 in brackets or bare); `undefined`: its
   * name, or its literal address, is allowed. `isGuest`: the stricter level of what was made over the API.
   */
  refusalOfHost(hostname: string, isGuest: boolean): string | undefined;
  /** Why that address, to which the host was resolved, may not be connected to; `undefined`: it may. */
  refusalOfAddress(address: string, hostname: string, isGuest: boolean): string | undefined;
}

export interface AddressLists {
  /** CIDRs, addresses and host globs that are `isPolicyEntry`. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** Addresses of one family each: a mixed BlockList would take an IPv4 for part of `::/0`. */
interface Range {
  readonly v4: BlockList;
  readonly v6: BlockList;
}

interface Entry {
  readonly text: string;
  readonly matches: (host: string, addresses: readonly string[]) => boolean;
}

interface Kind {
  readonly name: string;
  readonly range: Range;
  readonly guestsOnly?: boolean;
}

const KINDS: readonly Kind[] = [
  { name: "unspecified", range: rangeOf("0.0.0.0/8", "::") },
  { name: "link-local", range: rangeOf("169.254.0.0/16", "fe80::/10") },
  // Those of AWS and Google over IPv6, Alibaba, Oracle, and what Azure's agents ask; everybody else's is link-local.
  {
    name: "a cloud's metadata service",
    range: rangeOf("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
  },
  { name: "multicast", range: rangeOf("224.0.0.0/4", "ff00::/8") },
  { name: "broadcast", range: rangeOf("255.255.255.255") },
  { name: "reserved", range: rangeOf("240.0.0.0/4") },
  { name: "loopback", range: rangeOf("127.0.0.0/8", "::1"), guestsOnly: true },
];

/** The policy of `notifier.allow` and `notifier.deny`. Throws when one of them is no `isPolicyEntry`. */
export function createAddressPolicy({ allow, deny }: AddressLists): AddressPolicy {
  const allowed = allow.map(entryOf);
  const denied = deny.map(entryOf);
  // Whoever allows the address of localhost has allowed localhost: what it resolves to is judged as well.
  const isLocalAllowed = allowed.some((entry) => entry.matches("", ["127.0.0.1"]) || entry.matches("", ["::1"]));

  const judge = (host: string, address: string | undefined, isGuest: boolean) => {
    const reached = address === undefined ? undefined : (carriedIpv4(address) ?? address);
    const shown = shownAs(host, address, reached);
    // An allowed range of IPv6 must not let in the IPv4 addresses inside it; a denied one keeps them out.
    const toAllow = reached === undefined ? [] : [reached];
    const toDeny = address === undefined ? [] : [...toAllow, address];
    const against = denied.find((entry) => entry.matches(host, toDeny));
    if (against) return `${shown} is refused: notifier.deny has ${against.text}`;
    if (allowed.some((entry) => entry.matches(host, toAllow))) return undefined;
    const isLocal = isGuest && !isLocalAllowed && /^(.*\.)?localhost$/.test(host);
    const kind = reached === undefined ? (isLocal ? "loopback" : undefined) : kindOf(reached, isGuest);
    if (kind === undefined) return undefined;
    const to = kind === "loopback" ? " to what was made over the API" : "";
    return `${shown} is ${kind}: refused${to} unless notifier.allow names it`;
  };

  return {
    refusalOfHost(hostname, isGuest) {
      const host = canonicalHost(hostname);
      return judge(host, isIP(host) === 0 ? undefined : host, isGuest);
    },
    refusalOfAddress(address, hostname, isGuest) {
      const bare = withoutScope(address);
      if (isIP(bare) === 0) return `${hostname} resolves to what is no address`;
      return judge(canonicalHost(hostname), bare, isGuest);
    },
  };
}

/**
 * Whether the text can stand in `notifier.allow` or `notifier.deny`: a CIDR, an address, or a glob of host names. What
 * looks like an address with gaps (`10.0.*`) or in another notation (`0x7f.1`) is none: it would match nothing.
 */
export function isPolicyEntry(text: string): boolean {
  return isCidr(text) || isHostGlob(text);
}

function isCidr(text: string): boolean {
  const [address = "", prefix, more] = text.split("/");
  const family = isIP(address);
  if (family === 0 || more !== undefined || address.includes("%")) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

function isHostGlob(text: string): boolean {
  if (!/^[a-z0-9_*?-]+(\.[a-z0-9_*?-]+)*\.?$/i.test(text) || text.length > 254) return false;
  if (text === "*") return true;
  const last = text.replace(/\.$/, "").split(".").at(-1) ?? "";
  return /[a-z]/i.test(text) && !/^(\d+|0x[0-9a-f]*)$/i.test(last);
}

function entryOf(text: string): Entry {
  if (isCidr(text)) {
    const range = rangeOf(text);
    return { text, matches: (_host, addresses) => addresses.some((address) => isIn(range, address)) };
  }
  if (!isHostGlob(text)) throw new Error(`${text} is no CIDR, no address and no glob of host names`);
  const glob = text.toLowerCase().replace(/\.$/, "");
  return { text, matches: (host) => matchesGlob(host, glob) };
}

function rangeOf(...cidrs: readonly string[]): Range {
  const range = { v4: new BlockList(), v6: new BlockList() };
  for (const cidr of cidrs) {
    const [address = "", prefix] = cidr.split("/");
    const size = isIPv4(address) ? 32 : 128;
    const bits = prefix === undefined ? size : Number(prefix);
    // `::ffff:10.0.0.0/104` is 10.0.0.0/8 by another name.
    const carried = size === 128 && bits >= 96 ? carriedIpv4(address, 96) : undefined;
    if (carried !== undefined) range.v4.addSubnet(carried, bits - 96, "ipv4");
    if (size === 32) range.v4.addSubnet(address, bits, "ipv4");
    else range.v6.addSubnet(address, bits, "ipv6");
  }
  return range;
}

function isIn({ v4, v6 }: Range, address: string): boolean {
  return isIPv4(address) ? v4.check(address, "ipv4") : v6.check(address, "ipv6");
}

function kindOf(address: string, isGuest: boolean): string | undefined {
  return KINDS.find(({ range, guestsOnly }) => (isGuest || !guestsOnly) && isIn(range, address))?.name;
}

function shownAs(host: string, address: string | undefined, reached: string | undefined): string {
  if (address === undefined) return host;
  const literal = reached === address ? address : `${address} (that is ${reached})`;
  return isIP(host) === 0 ? `${host}, which resolves to ${literal},` : literal;
}

/** As the connection will understand it: lower case, without brackets, scope and the root's dot, and `127.1` in full. */
function canonicalHost(hostname: string): string {
  const bare = withoutScope(hostname.replace(/^\[(.*)\]$/, "$1")).toLowerCase();
  if (isIP(bare) !== 0) return bare;
  const name = bare.replace(/\.+$/, "");
  // Anything but a host would be read as another part of the URL.
  const url = /[\s/?#@\\:]/.test(name) ? null : URL.parse(`http://${name}/`);
  return url ? url.hostname.replace(/\.+$/, "") : name;
}

function withoutScope(address: string): string {
  return address.replace(/%.*$/s, (scope) => (isIP(address.slice(0, -scope.length)) === 6 ? "" : scope));
}
