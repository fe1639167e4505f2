/** Names become addresses here, and only those that may be connected to: what was judged is what is connected. */

import type { LookupAddress, LookupAllOptions } from "node:dns";
import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import type { AddressPolicy } from "../lib/addressPolicy.ts";

/** How a name is resolved: `dns.lookup`, or what a test puts in its place. */
export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * Those who ask for one name at the same time share the answer: names are resolved by a few threads, and one whose
 * servers are silent must not take them all.
 */
export function sharedResolve(resolve: Resolve = lookup): Resolve {
  const underWay = new Map<string, Parameters<Resolve>[2][]>();
  return (hostname, options, callback) => {
    const key = JSON.stringify([hostname, options]);
    const waiting = underWay.get(key);
    if (waiting) {
      waiting.push(callback);
      return;
    }
    const callbacks = [callback];
    underWay.set(key, callbacks);
    resolve(hostname, options, (error, addresses) => {
      underWay.delete(key);
      for (const answer of callbacks) answer(error, addresses);
    });
  };
}

/** Nothing may be sent there: the message says why, and how to mend it. */
export class AddressRefused extends Error {}

/**
 * A `lookup` for sockets that drops the addresses that the policy refuses, and fails with `AddressRefused` when none is
 * left. Sockets do not ask it for literals: they are judged by `refusalOfHost` before.
 */
export function guardedLookup(policy: AddressPolicy, isGuest: boolean, resolve: Resolve = lookup): LookupFunction {
  return (hostname, options, callback) => {
    // Once, for the name: each resolution is judged as it came, so an answer that changes in between changes nothing.
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const judged = addresses.map((one) => ({
        one,
        refusal: policy.refusalOfAddress(one.address, hostname, isGuest),
      }));
      const allowed = judged.filter(({ refusal }) => refusal === undefined).map(({ one }) => one);
      const [first] = allowed;
      if (!first) {
        const refusal = judged[0]?.refusal ?? `${hostname} has no address`;
        return callback(new AddressRefused(refusal), []);
      }
      if (options.all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
