import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { createAddressPolicy } from "../../src/lib/addressPolicy.ts";
import type { Resolve } from "../../src/notifier/lookup.ts";
import { AddressRefused, guardedLookup } from "../../src/notifier/lookup.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";

const policy = createAddressPolicy({ allow: [], deny: ["10.9.0.0/16"] });
const addresses = (...list: readonly string[]): LookupAddress[] =>
  list.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
const resolving =
  (...list: readonly string[]): Resolve =>
  (_hostname, _options, callback) =>
    callback(null, addresses(...list));

type Found = {
  readonly error: Error | null;
  readonly address: string | LookupAddress[];
  readonly family?: number | undefined;
};
const ask = (lookup: LookupFunction, all: boolean) =>
  new Promise<Found>((resolve) =>
    lookup("a.example", { all }, (error, address, family) => resolve({ error, address, family })),
  );

describe("what is resolved is judged", () => {
  it.each([
    { list: ["10.0.0.1", "10.0.0.2"], left: ["10.0.0.1", "10.0.0.2"] },
    { list: ["10.9.0.1", "10.0.0.2", "169.254.169.254", "fd00::1"], left: ["10.0.0.2", "fd00::1"] },
  ])("$list leaves $left, in its order", async ({ list, left }) => {
    const lookup = guardedLookup(policy, false, resolving(...list));
    expect(await ask(lookup, true)).toEqual({ error: null, address: addresses(...left), family: undefined });
    expect(await ask(lookup, false)).toEqual({ error: null, address: left[0], family: 4 });
  });

  it.each([true, false])("none is left, all: %s", async (all) => {
    const { error } = await ask(guardedLookup(policy, false, resolving("10.9.0.1", "::")), all);
    expect(error).toBeInstanceOf(AddressRefused);
    expect(error?.message).toBe("a.example, which resolves to 10.9.0.1, is refused: notifier.deny has 10.9.0.0/16");
  });

  it("guests are judged more strictly", async () => {
    expect((await ask(guardedLookup(policy, false, resolving("127.0.0.1")), false)).address).toBe("127.0.0.1");
    expect((await ask(guardedLookup(policy, true, resolving("127.0.0.1")), false)).error).toBeInstanceOf(
      AddressRefused,
    );
  });

  it("a resolver that fails, fails; one that finds nothing has found nothing", async () => {
    const failing: Resolve = (_hostname, _options, callback) =>
      callback(Object.assign(new Error("no"), { code: "ENOTFOUND" }), []);
    expect((await ask(guardedLookup(policy, false, failing), true)).error).toMatchObject({ code: "ENOTFOUND" });
    expect((await ask(guardedLookup(policy, false, resolving()), true)).error?.message).toBe(
      "a.example has no address",
    );
  });
});

it.each([true, false])("sockets connect to what it leaves, autoSelectFamily: %s", async (autoSelectFamily) => {
  await using receiver = await rawReceiver(answerOf(200));
  const lookup = guardedLookup(policy, false, resolving("169.254.169.254", "127.0.0.1"));
  const socket = connect({ host: "a.example", port: receiver.port, lookup, autoSelectFamily });
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  expect(socket.remoteAddress).toBe("127.0.0.1");
  socket.destroy();
});

it("the system's resolver is the default", async () => {
  const found = await new Promise<Found>((resolve) =>
    guardedLookup(policy, false)("localhost", { family: 4 }, (error, address, family) =>
      resolve({ error, address, family }),
    ),
  );
  expect(found).toEqual({ error: null, address: "127.0.0.1", family: 4 });
});
