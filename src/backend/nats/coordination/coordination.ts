/**
 * Who is there and who owns what, over two buckets (rules N1, N3).
 *
 * Each process puts its key again and again (`coordinationBeat`) and watches those of all (`members`). Who is to own what
 * follows from who is there (`lib/rendezvous`); an owner is who stands in the partition's key, which is changed only
 * by naming what it was before (`ownersClaims`). A partition is taken when nobody has it or its owner is dead; it is
 * given back, work first, when somebody else is to have it. What a process fails to begin again and again it says with
 * its heartbeats, for a minute and longer each time it fails anew, so that others have it.
 *
 * What is correct rests on the log, which refuses whoever is not the last to have appended. This here only sees to it
 * that it is one at a time, and that a process knows when it may not be the owner any more: `isFresh` counts from when
 * its last heartbeat that was taken down was sent. After a hole it is not fresh again before each key that it owns has
 * been written anew, so that what others wrote on what they knew before is refused.
 */

import type { NatsSettings } from "../../../config/busSettings.ts";
import { TocsinError } from "../../../lib/errors.ts";
import type { Clock, Logger } from "../../../ports.ts";
import type { Coordination, Member } from "../../../scalePorts.ts";
import type { NatsLink } from "../link/link.ts";
import { Coordinator } from "./core.ts";

export interface CoordinationOptions {
  readonly link: NatsLink;
  readonly settings: Pick<NatsSettings, "heartbeatMs" | "ttlMs">;
  /** How many partitions there are, 1 or more. */
  readonly partitions: number;
  /** Of this process, another one at each start: letters, digits and what else `keyOf` can write, at most 200. */
  readonly id: string;
  readonly roles: readonly string[];
  readonly host: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** It may own partitions once it is ready; otherwise it only sees. */
  readonly joins: boolean;
}

/** Until the buckets were read and the first heartbeat was taken down, ms. */
const START_MS = 30_000;

/**
 * Resolves when it knows who is there and has said that it is there itself. Throws E640 when that takes 30 s.
 * `setReady`: it may own partitions from now on (nothing for one that only sees); it gets some when `begin` was called too.
 */
export async function startCoordination(
  options: CoordinationOptions,
): Promise<Coordination & { setReady(): void; readonly member: Member }> {
  const { link, clock } = options;
  const core = new Coordinator(options);
  const isInTime = await new Promise<boolean>((resolve) => {
    const timer = clock.after(START_MS, () => resolve(false));
    core.start(() => {
      timer.cancel();
      resolve(true);
    });
  });
  if (!isInTime) {
    await core.leave();
    throw new TocsinError(
      "E640",
      `It could not be seen on the bus who is there: the buckets ${link.names.members} and ${link.names.owners} were not read, or not written, within ${START_MS / 1000} s.`,
    );
  }
  return core;
}
