import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemberBook } from "../../../../src/backend/nats/coordination/members.ts";
import {
  memberRecord,
  partitionOfKey,
  readMember,
  readOwner,
} from "../../../../src/backend/nats/coordination/membersRecord.ts";
import type { Member } from "../../../../src/scalePorts.ts";

const member = (id: string, isReady = true): Member => ({ id, isReady, roles: ["engine"], host: "h", version: "1" });

/** A book at which time goes by in steps of 100 ms, with heartbeats of its own every 500 ms. */
class Watched {
  now = 1000;
  revision = 0;
  readonly changes: string[] = [];
  readonly book = new MemberBook({ ttlMs: 2000, holeMs: 1000, settleMs: 1000 }, ({ id }, standing) =>
    this.changes.push(`${id} ${standing}`),
  );

  /** For so long; `beating`: who says in it that it is there. `sees`: our own come back. */
  go(ms: number, beating: readonly string[] = [], sees = true): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 100;
      if (this.now % 500 === 0) {
        for (const id of beating) this.book.saw(member(id), ++this.revision, this.now);
        if (sees) this.book.echo(this.now - 10, this.now);
      }
      // Whoever is in doubt speaks at once, and what comes back settles it.
      if (!this.book.judge(this.now) || !sees) continue;
      this.book.echo(this.now, this.now);
      expect(this.book.judge(this.now)).toBe(false);
    }
  }
}

describe("who is there", () => {
  it("one that says nothing for the time to live is dead, and there again when it speaks", () => {
    const watched = new Watched();
    watched.go(3000, ["a", "b"]);
    expect(watched.book.candidates()).toEqual(["a", "b"]);
    watched.go(1900, ["a"]);
    expect(watched.book.isAlive("b")).toBe(true);
    watched.go(200, ["a"]);
    expect(watched.book.isAlive("b")).toBe(false);
    expect(watched.book.candidates()).toEqual(["a"]);
    watched.go(600, ["a", "b"]);
    expect(watched.changes).toEqual(["a alive", "b alive", "b dead", "b alive"]);
  });

  it("nobody dies while our own heartbeats do not come back, and after that everybody has the whole time again", () => {
    const watched = new Watched();
    watched.go(3000, ["a", "b"]);
    watched.go(20_000, [], false);
    expect(watched.book.alive()).toHaveLength(2);
    expect(watched.book.sees(watched.now)).toBe(false);
    watched.go(1900, ["a"]);
    expect(watched.book.isAlive("b")).toBe(true);
    watched.go(700, ["a"]);
    expect(watched.book.isAlive("b")).toBe(false);
  });

  it("what the bucket had at first counts only once it changes: it may be of somebody who is long gone", () => {
    const watched = new Watched();
    watched.book.saw(member("old"), ++watched.revision, watched.now);
    watched.go(1900, ["a"]);
    expect(watched.book.candidates()).toEqual(["a"]);
    expect(watched.book.alive().map(({ id }) => id)).toEqual(["a", "old"]);
    watched.go(700, ["a"]);
    expect(watched.book.alive().map(({ id }) => id)).toEqual(["a"]);
    expect(watched.changes).toEqual(["a alive"]);
  });

  it("those who come within a moment are counted together; one after the other does not put it off for ever", () => {
    const watched = new Watched();
    watched.go(1000, ["a"]);
    watched.go(500, ["a", "b"]);
    expect(watched.book.candidates()).toEqual([]);
    watched.go(900, ["a", "b"]);
    expect(watched.book.candidates()).toEqual([]);
    watched.go(100, ["a", "b"]);
    expect(watched.book.candidates()).toEqual(["a", "b"]);
    const late = new Watched();
    const there = ["a"];
    for (let more = 0; more < 6; more++) {
      late.go(500, there);
      there.push(`m${more}`);
    }
    late.go(500, there);
    expect(late.book.candidates().length).toBeGreaterThan(0);
  });

  it("one that is not ready is alive and owns nothing, and one that leaves is gone at once", () => {
    const watched = new Watched();
    watched.go(3000, ["a", "b"]);
    watched.book.saw(member("b", false), ++watched.revision, watched.now);
    expect(watched.book.candidates()).toEqual(["a"]);
    expect(watched.book.isAlive("b")).toBe(true);
    watched.book.left("b", ++watched.revision, watched.now);
    expect(watched.book.isAlive("b")).toBe(false);
    watched.book.keepOnly(() => false);
    expect(watched.book.alive().map(({ id }) => id)).toEqual(["a"]);
  });

  it("an owner that nobody has heard of has the time to live to say that it is there", () => {
    const watched = new Watched();
    watched.go(1000, ["a"]);
    watched.book.named("unknown", watched.now);
    watched.go(1900, ["a"]);
    expect(watched.book.isAlive("unknown")).toBe(true);
    watched.go(200, ["a"]);
    watched.book.named("unknown", watched.now);
    expect(watched.book.isAlive("unknown")).toBe(false);
  });

  it("a time in which this process stood still is no silence of others: nothing of it has been seen", () => {
    const watched = new Watched();
    watched.go(3000, ["a", "b"]);
    watched.go(1200, ["a"]);
    watched.book.echo(watched.now - 10, watched.now);
    // For less than a hole; what came meanwhile is read only after the timers that fell due.
    watched.now += 900;
    expect(watched.book.sees(watched.now)).toBe(true);
    expect(watched.book.judge(watched.now)).toBe(true);
    expect(watched.book.isAlive("b")).toBe(true);
    watched.go(500, ["a", "b"]);
    expect(watched.changes).toEqual(["a alive", "b alive"]);
  });

  it("one that is gone and that nobody knew is known as gone, until its key is purged", () => {
    const watched = new Watched();
    watched.go(1000, ["a"]);
    watched.book.left("b", ++watched.revision, watched.now);
    expect(watched.book.isAlive("b")).toBe(false);
    expect(watched.book.goneFor(1000, watched.now)).toEqual([]);
    watched.go(1000, ["a"]);
    expect(watched.book.goneFor(1000, watched.now)).toEqual([{ id: "b", revision: 3 }]);
    watched.book.purged("b", 2);
    expect(watched.book.goneFor(1000, watched.now)).toEqual([{ id: "b", revision: 3 }]);
    watched.book.purged("b", 3);
    expect(watched.book.goneFor(1000, watched.now)).toEqual([{ id: "b", revision: 0 }]);
    expect(watched.changes).toEqual(["a alive"]);
  });

  it("the same entry read again says nothing, and in another bucket every entry does", () => {
    const watched = new Watched();
    watched.go(3000, ["a", "b"]);
    const stale = watched.revision;
    for (let step = 0; step < 21; step++) {
      watched.book.saw(member("b"), stale, watched.now);
      watched.go(100, ["a"]);
    }
    expect(watched.book.isAlive("b")).toBe(false);
    watched.book.reset();
    watched.book.saw(member("b"), stale, watched.now);
    expect(watched.book.isAlive("b")).toBe(true);
  });

  it("property: who beats is never dead, however holes and silences lie, and who does not is, once all is well", () => {
    const spans = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.boolean(), fc.boolean()), { maxLength: 30 });
    fc.assert(
      fc.property(spans, (plan) => {
        const watched = new Watched();
        watched.go(3000, ["a", "b"]);
        for (const [steps, sees, isSilent] of plan) {
          watched.go(steps * 100, isSilent ? ["a"] : ["a", "b"], sees);
          expect(watched.book.isAlive("a")).toBe(true);
        }
        watched.go(4100, ["a"]);
        expect(watched.book.isAlive("b")).toBe(false);
      }),
    );
  });
});

describe("what stands in the buckets", () => {
  it("a member is read as it was written, whatever its words", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 200, unit: "grapheme" }).filter((id) => id.length <= 200),
        fc.boolean(),
        fc.string({ maxLength: 100 }),
        fc.nat(),
        (id, isReady, host, beat) => {
          const own = { id, isReady, roles: ["engine", "api"], host, version: "1" };
          const { key, value } = memberRecord(own, beat);
          expect(key).toMatch(/^[-=\w]+$/);
          expect(readMember(key, value)).toEqual({ member: own, beat, cannot: [] });
          expect(readMember(key, memberRecord(own, beat, [3, 1]).value)?.cannot).toEqual([3, 1]);
        },
      ),
    );
  });

  it("whatever else stands there is nobody's, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), fc.string(), (text, key) => {
        expect(readMember(key, Buffer.from(text))).toBeUndefined();
        expect(readOwner(Buffer.from(text))).toBeUndefined();
      }),
    );
    expect(readOwner(Buffer.from(`{"v":1,"owner":"${"x".repeat(5000)}"}`))).toBeUndefined();
    const said = { v: 1, beat: 1, ready: true, roles: ["engine"], host: "h", version: "1" };
    const read = (cannot: unknown) => readMember("a", Buffer.from(JSON.stringify({ ...said, cannot })));
    expect(read([7])).toMatchObject({ cannot: [7] });
    const all = Array.from({ length: 1024 }, (_, partition) => partition);
    expect(readMember("a", memberRecord(member("a"), 1, all).value)).toMatchObject({ cannot: all });
    for (const wrong of [7, "7", ["7"], [0.5], {}, [...all, 1024]]) expect(read(wrong)).toBeUndefined();
  });

  it.each([
    ["p0", 0],
    ["p31", 31],
    ["p32", undefined],
    ["p01", undefined],
    ["p-1", undefined],
    ["q1", undefined],
    ["p1e3", undefined],
    ["p99999999999999999999", undefined],
  ])("the key %s is of partition %s", (key, partition) => {
    expect(partitionOfKey(key, 32)).toBe(partition);
  });
});
