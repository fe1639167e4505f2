import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assign } from "../../src/lib/rendezvous.ts";

const ids = ["a", "b", "c", "d", "e", "f", "g"];
const members = fc.subarray(ids, { minLength: 1 });
const views = fc.tuple(fc.integer({ min: 1, max: 80 }), members).chain(([partitions, who]) =>
  fc.tuple(
    fc.constant(partitions),
    fc.constant(who),
    fc.array(fc.option(fc.constantFrom(...ids), { nil: undefined }), {
      minLength: partitions,
      maxLength: partitions,
    }),
  ),
);

type Owners = readonly (string | undefined)[];
const run = (partitions: number, who: readonly string[], owners: Owners) =>
  assign({ partitions, members: who, ownerOf: (partition) => owners[partition] });
const count = (owners: Owners, member: string) => owners.filter((owner) => owner === member).length;

describe("who is to have which partition", () => {
  it("nobody, when nobody is there", () => {
    expect(run(3, [], ["a", undefined, "b"])).toEqual([undefined, undefined, undefined]);
  });

  it("each partition has one member, and nobody more than its share", () => {
    fc.assert(
      fc.property(views, ([partitions, who, owners]) => {
        const assigned = run(partitions, who, owners);
        expect(assigned).toHaveLength(partitions);
        for (const member of assigned) expect(who).toContain(member);
        for (const member of who)
          expect(count(assigned, member)).toBeLessThanOrEqual(Math.ceil(partitions / who.length));
      }),
    );
  });

  it("moves no more between two that are there than the share demands", () => {
    fc.assert(
      fc.property(views, ([partitions, who, owners]) => {
        const assigned = run(partitions, who, owners);
        const moved = owners.filter((owner, at) => owner && who.includes(owner) && assigned[at] !== owner).length;
        const share = Math.ceil(partitions / who.length);
        const surplus = who.reduce((sum, member) => sum + Math.max(0, count(owners, member) - share), 0);
        expect(moved).toBe(surplus);
      }),
    );
  });

  it("does not depend on the order of the members, and stays while it is carried out bit by bit", () => {
    fc.assert(
      fc.property(views, fc.infiniteStream(fc.boolean()), ([partitions, who, owners], lots) => {
        const assigned = run(partitions, who, owners);
        expect(run(partitions, who.toReversed(), owners)).toEqual(assigned);
        // Some have taken what was given to them, some have given up and nobody has taken it yet.
        const partly = owners.map((owner, at) => {
          if (owner === assigned[at]) return owner;
          return lots.next().value ? assigned[at] : undefined;
        });
        expect(run(partitions, who, partly)).toEqual(assigned);
      }),
    );
  });

  it("whatever views there were: once they agree each partition gets one owner, and then nothing moves", () => {
    fc.assert(
      fc.property(
        views,
        fc.array(fc.tuple(fc.nat(6), fc.array(members, { minLength: 1, maxLength: 1 })), { maxLength: 30 }),
        ([partitions, who, first], steps) => {
          const owners: (string | undefined)[] = [...first];
          // Each acts once on what it believes: gives up what is another's, takes what is free.
          const act = (self: string, believed: readonly string[]) => {
            const alive = owners.map((owner) => (owner && believed.includes(owner) ? owner : undefined));
            const assigned = run(partitions, believed, alive);
            for (let at = 0; at < partitions; at++) {
              if (owners[at] === self && assigned[at] !== self) owners[at] = undefined;
              else if (alive[at] === undefined && assigned[at] === self) owners[at] = self;
            }
          };
          for (const [who, [believed = []]] of steps) {
            const self = ids[who] ?? "a";
            act(self, [...new Set([...believed, self])]);
          }
          for (let round = 0; round < 2; round++) for (const member of who) act(member, who);
          const settled = [...owners];
          for (const owner of settled) expect(who).toContain(owner);
          for (const member of who) act(member, who);
          expect(owners).toEqual(settled);
        },
      ),
    );
  });

  it("what one cannot work on goes to others, beyond their share where it must be, and nothing else goes to it", () => {
    const cannot = (member: string) => (member === "a" ? [0, 1, 2] : []);
    const owned = ["a", "a", "a", "b", "b", "b", "c", "c", "c"];
    const free = owned.map((owner) => (owner === "a" ? undefined : owner));
    for (const owners of [owned, free]) {
      const assigned = assign({ partitions: 9, members: ["a", "b", "c"], ownerOf: (at) => owners[at], cannot });
      expect(assigned.slice(3)).toEqual(owned.slice(3));
      expect(assigned).not.toContain("a");
      expect(count(assigned, "b")).toBeLessThanOrEqual(5);
      const again = assign({ partitions: 9, members: ["a", "b", "c"], ownerOf: (at) => assigned[at], cannot });
      expect(again).toEqual(assigned);
    }
    // What it works on it keeps, and what is somebody's who is gone it gets where others have no room.
    const kept = ["a", "b", "a", "b", "c", "c"];
    const with2 = (owners: Owners, who = ["a", "b", "c"]) =>
      assign({ partitions: 6, members: who, ownerOf: (at) => owners[at], cannot: (one) => (one === "a" ? [1] : []) });
    expect(with2(kept)).toEqual(kept);
    expect(with2(["a", "b", undefined, "b", "c", "c"])).toEqual(kept);
    expect(with2([undefined, undefined], ["a"])).toEqual(["a", "a", "a", "a", "a", "a"]);
  });

  it("whatever members cannot do: whoever can has it, and once all agree nothing moves any more", () => {
    const lists = fc.array(fc.tuple(fc.constantFrom(...ids), fc.array(fc.nat(79), { maxLength: 40 })), {
      maxLength: 7,
    });
    fc.assert(
      fc.property(views, lists, ([partitions, who, first], said) => {
        const owners = [...first];
        const unable = new Map(said);
        const cannot = (member: string) => unable.get(member) ?? [];
        const plan = () =>
          assign({
            ...{ partitions, members: who, cannot },
            ownerOf: (at) => (who.includes(owners[at] ?? "") ? owners[at] : undefined),
          });
        for (let round = 0; round < 2 * partitions + 2; round++)
          for (const self of who) {
            const assigned = plan();
            for (let at = 0; at < partitions; at++) {
              if (owners[at] === self && assigned[at] !== self) owners[at] = undefined;
              else if (!who.includes(owners[at] ?? "") && assigned[at] === self) owners[at] = self;
            }
          }
        expect(plan()).toEqual(owners);
        owners.forEach((owner, at) => {
          const able = who.filter((member) => !cannot(member).includes(at));
          expect(able.length > 0 ? able : who).toContain(owner);
        });
      }),
    );
  });

  it("spreads what is free: of many partitions each of four gets its share, whatever they are called", () => {
    const many = run(4000, ["host-1", "host-2", "host-3", "host-4"], []);
    const firsts = many.slice(0, 2000);
    for (const member of ["host-1", "host-2", "host-3", "host-4"]) {
      expect(count(many, member)).toBe(1000);
      expect(count(firsts, member)).toBeGreaterThan(400);
    }
  });
});
