/** IPv4 addresses inside IPv6 ones: the kernel, a translator or a relay connects to the former. */

import { isIPv6 } from "node:net";

/** Eight numbers of 16 bits; `undefined`: no IPv6 address. A scope must have been taken off. */
function groupsOf(address: string): readonly number[] | undefined {
  if (!isIPv6(address)) return undefined;
  // Dotted ends become groups in the canonical form.
  const canonical = URL.parse(`http://[${address}]/`)?.hostname.slice(1, -1);
  if (canonical === undefined) return undefined;
  const [before = "", after] = canonical.split("::");
  const head = numbers(before);
  const tail = numbers(after ?? "");
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function numbers(groups: string): readonly number[] {
  return groups === "" ? [] : groups.split(":").map((group) => Number.parseInt(group, 16));
}

/**
 * The IPv4 address that an IPv6 one carries: mapped (`::ffff:0:0/96`), translated (`::ffff:0:0:0/96`, RFC 2765),
 * compatible (`::/96` but `::` and `::1`), NAT64 (`64:ff9b::/96`, RFC 6052, and `64:ff9b:1::/48`, RFC 8215) or 6to4
 * (`2002::/16`, RFC 3056). `undefined`: none. `startBit` 96: only where it is the end of the address, so that a prefix of
 * one is a prefix of the other.
 */
export function carriedIpv4(address: string, startBit?: 96): string | undefined {
  const groups = groupsOf(address);
  if (!groups) return undefined;
  const [first = 0, second = 0, third = 0] = groups;
  if (first === 0x2002) return startBit === 96 ? undefined : dotted(second, third);
  const [high = 0, low = 0] = groups.slice(6);
  const isTranslator = first === 0x64 && second === 0xff9b;
  if (isTranslator && third === 1) return startBit === 96 ? dotted(high, low) : ofLocalTranslator(groups.slice(3));
  const isNat64 = isTranslator && areZero(groups.slice(2, 6));
  const isMapped = areZero(groups.slice(0, 5)) && groups[5] === 0xffff;
  const isTranslated = areZero(groups.slice(0, 4)) && groups[4] === 0xffff && groups[5] === 0;
  const isCompatible = areZero(groups.slice(0, 6)) && (high > 0 || low > 1);
  return isNat64 || isMapped || isTranslated || isCompatible ? dotted(high, low) : undefined;
}

/**
 * Behind `64:ff9b:1` whoever runs the translator has put its prefix of 48, 56, 64 or 96 bits. All but the longest leave
 * bits 64 to 71 and the end of the address empty (RFC 6052, 2.2): the last octet that is not tells how long it is.
 */
function ofLocalTranslator([a = 0, b = 0, c = 0, d = 0, e = 0]: readonly number[]): string {
  if (e > 0 || b > 0xff || (d & 0xff) > 0) return dotted(d, e);
  const octets = [a >> 8, a & 0xff, b, c >> 8, c & 0xff, d >> 8];
  const from = d > 0 ? 2 : (c & 0xff) > 0 ? 1 : 0;
  return octets.slice(from, from + 4).join(".");
}

function areZero(groups: readonly number[]): boolean {
  return groups.every((group) => group === 0);
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
