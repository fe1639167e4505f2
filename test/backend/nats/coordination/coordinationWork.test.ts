import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Heartbeat } from "../../../../src/backend/nats/coordination/beat.ts";
import { PartitionWork } from "../../../../src/backend/nats/coordination/work.ts";
import { FakeClock } from "../../../helpers/fakeClock.ts";

const turns = async () => {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
};

describe("work on one partition", () => {
  function work() {
    const clock = new FakeClock();
    const told: string[] = [];
    const errors: string[] = [];
    /** Calls that have not answered, and what overlapped. */
    const open: { readonly what: string; end(error?: Error): void }[] = [];
    const overlaps: string[] = [];
    const call = (what: string) =>
      new Promise<void>((resolve, reject) => {
        told.push(what);
        if (open.length > 0) overlaps.push(`${what} during ${open[0]?.what}`);
        const own = {
          what,
          end: (error?: Error) => {
            open.splice(open.indexOf(own), 1);
            if (error) reject(error);
            else resolve();
          },
        };
        open.push(own);
      });
    const partition = new PartitionWork({
      partition: 7,
      clock,
      handlers: {
        acquire: () => call("acquire"),
        release: () => call("release"),
        lose: () => void told.push("lose"),
      },
      onChange: () => {},
      onError: (what) => errors.push(what),
    });
    return { clock, told, errors, open, overlaps, partition };
  }

  it("is acquired, held and released", async () => {
    const { told, open, partition } = work();
    partition.acquire();
    await turns();
    expect(partition.state).toBe("acquiring");
    open[0]?.end();
    await turns();
    expect(partition.state).toBe("held");
    const released = partition.release();
    await turns();
    open[0]?.end();
    await released;
    expect(partition.state).toBe("idle");
    expect(told).toEqual(["acquire", "release"]);
  });

  it("lost while it is acquired: told at once, and begun again only when that call has ended", async () => {
    const { clock, told, open, partition } = work();
    partition.acquire();
    await turns();
    partition.lose();
    expect(told).toEqual(["acquire", "lose"]);
    expect(partition.mayBegin(clock.monotonic())).toBe(false);
    open[0]?.end();
    await turns();
    expect(partition.state).toBe("idle");
    expect(partition.mayBegin(clock.monotonic())).toBe(true);
  });

  it("released while it is acquired: after that; lost while it is released: nothing follows", async () => {
    const { told, open, partition } = work();
    partition.acquire();
    const released = partition.release();
    await turns();
    expect(told).toEqual(["acquire"]);
    open[0]?.end();
    await turns();
    expect(told).toEqual(["acquire", "release"]);
    partition.lose();
    open[0]?.end();
    await released;
    expect(told).toEqual(["acquire", "release", "lose"]);
    partition.lose();
    expect(told).toHaveLength(3);
  });

  it("what cannot be acquired is left alone ever longer, until it has worked for a while", async () => {
    const { clock, errors, open, partition } = work();
    const waits: number[] = [];
    for (let failure = 0; failure < 7; failure++) {
      partition.acquire();
      await turns();
      open[0]?.end(new Error("no"));
      await turns();
      expect(partition.hasFailed).toBe(true);
      const from = clock.monotonic();
      while (!partition.mayBegin(clock.monotonic())) clock.advance(100);
      waits.push(clock.monotonic() - from);
    }
    expect(waits).toEqual([100, 500, 2000, 5000, 15_000, 30_000, 30_000]);
    expect(errors).toHaveLength(7);
    partition.acquire();
    await turns();
    open[0]?.end();
    await turns();
    expect(partition.hasFailed).toBe(false);
    clock.advance(11_000);
    partition.lose();
    partition.backOff();
    clock.advance(100);
    expect(partition.mayBegin(clock.monotonic())).toBe(true);
  });

  it("what fails twice in a row is for others, for a minute and ever longer, until it is acquired", async () => {
    const { clock, open, partition } = work();
    const minutes: number[] = [];
    const attempt = async (error?: Error) => {
      partition.acquire();
      await turns();
      open[0]?.end(error);
      await turns();
    };
    for (let failure = 0; failure < 8; failure++) {
      await attempt(new Error("no"));
      const from = clock.monotonic();
      while (partition.isBeyondUs(clock.monotonic())) clock.advance(30_000);
      minutes.push((clock.monotonic() - from) / 60_000);
    }
    expect(minutes).toEqual([0, 1, 2, 4, 8, 15, 15, 15]);
    await attempt(new Error("no"));
    expect(partition.isBeyondUs(clock.monotonic())).toBe(true);
    await attempt();
    expect(partition.isBeyondUs(clock.monotonic())).toBe(false);
    partition.lose();
    await attempt(new Error("no"));
    expect(partition.isBeyondUs(clock.monotonic())).toBe(false);
  });

  it("property: whatever is asked and whenever calls end, no two calls are under way at a time", async () => {
    const step = fc.constantFrom("acquire", "release", "lose", "end", "fail", "wait" as const);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { clock, told, open, overlaps, partition } = work();
        for (const one of steps) {
          if (one === "acquire" && partition.mayBegin(clock.monotonic())) partition.acquire();
          if (one === "release") void partition.release();
          if (one === "lose") partition.lose();
          if (one === "end") open[0]?.end();
          if (one === "fail") open[0]?.end(new Error("no"));
          if (one === "wait") clock.advance(40_000);
          await turns();
        }
        expect(overlaps).toEqual([]);
        // Of each acquisition there is one end at the most.
        let isOurs = false;
        for (const what of told) {
          if (what === "acquire") isOurs = true;
          else if (what === "lose") {
            expect(isOurs).toBe(true);
            isOurs = false;
          }
        }
      }),
    );
  });
});

describe("heartbeats", () => {
  it("begin at equal distances, never overlap, and go on when one fails", async () => {
    const clock = new FakeClock();
    const begun: number[] = [];
    const said: number[] = [];
    const failed: unknown[] = [];
    const open: ((error?: Error) => void)[] = [];
    const beat = new Heartbeat({
      clock,
      everyMs: 500,
      say: (number) => {
        begun.push(clock.monotonic());
        expect(open).toHaveLength(0);
        return new Promise((resolve, reject) => {
          open.push((error) => {
            open.length = 0;
            if (error) reject(error);
            else resolve();
          });
          void number;
        });
      },
      onSaid: (_, sentAt) => said.push(sentAt),
      onFailed: (error) => failed.push(error),
    });
    const goOn = async (ms: number, error?: Error) => {
      clock.advance(ms);
      open[0]?.(error);
      await turns();
    };
    beat.now();
    await goOn(20);
    clock.advance(480);
    // Asked for while one is under way: another one follows at once.
    beat.now();
    await goOn(10);
    clock.advance(0);
    await goOn(5);
    expect(begun).toEqual([0, 500, 510]);
    clock.advance(495);
    // One that takes long puts the next one off, and does not double it.
    await goOn(800, new Error("no answer"));
    clock.advance(0);
    await goOn(1);
    expect(begun).toEqual([0, 500, 510, 1010, 1810]);
    expect(said).toEqual([0, 500, 510, 1810]);
    expect(failed).toHaveLength(1);
    expect(beat.sentAt(3)).toBe(510);
    expect(beat.sentAt(77)).toBeUndefined();
    await beat.stop();
    clock.advance(5000);
    expect(begun).toHaveLength(5);
  });
});
