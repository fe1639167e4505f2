/** The steps within the service at which it can be killed: around each commit, each put, and between them. */

import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import type { Decision } from "../../src/model/decision.ts";
import type { Commit } from "../../src/ports.ts";

/** Is told of every step; at the one that is asked for it does not return. */
export type Reach = (step: string) => void;

const MOMENTS = [
  "start",
  "rules",
  "transition",
  "control accepted",
  "notice accepted",
  "busy",
  "uncertain",
  "repeat",
  "retry",
  "effect",
  "stop",
] as const;
type Moment = (typeof MOMENTS)[number];

/** Every step of `faultyOpen`, by name. */
export const COMMIT_STEPS: readonly string[] = [
  ...MOMENTS.flatMap((moment) => [`before ${moment}`, `during ${moment}`, `after ${moment}`]),
  "before put",
  "after put",
];

/** A record that is the real one, and tells what it is about to do, is doing and has done. */
export function faultyOpen(reach: Reach): typeof openSqlite {
  return async (folder, options) => {
    const backend = await openSqlite(folder, options);
    const { ledger, store } = backend;
    return {
      ...backend,
      ledger: {
        ...ledger,
        async commit(commit) {
          const moments = momentsOf(commit);
          for (const moment of moments) reach(`before ${moment}`);
          const written = ledger.commit(commit);
          // By then the worker has been told, and writes.
          for (const moment of moments) setImmediate(() => reach(`during ${moment}`));
          await written;
          for (const moment of moments) reach(`after ${moment}`);
        },
      },
      store: {
        ...store,
        async put(record) {
          reach("before put");
          await store.put(record);
          reach("after put");
        },
      },
    };
  };
}

function momentsOf({ inputs, decisions, deliveries }: Commit): readonly Moment[] {
  const input = inputs.at(-1)?.input;
  const moments: Moment[] = [];
  if (input?.kind === "start" || input?.kind === "stop") moments.push(input.kind);
  if (input?.kind === "command" && input.command === "rules") moments.push("rules");
  if (input?.kind === "outcome") {
    const { outcome } = input;
    const about = deliveries.find(({ id }) => id === input.deliveryId);
    if (outcome === "accepted" && about) moments.push(`${about.class} accepted`);
    if (outcome === "busy" || (outcome === "uncertain" && about?.class === "control")) moments.push(outcome);
  }
  if (decisions.some(({ d }) => d === "transition")) moments.push("transition");
  if (decisions.some(({ d }) => d === "effect")) moments.push("effect");
  if (decisions.some((one) => one.d === "send" && one.attempt > 1)) moments.push("retry");
  if (decisions.some(isRepeat)) moments.push("repeat");
  return moments;
}

/** Aodh's mark of a repeat: nothing has changed. */
export function isRepeat(decision: Decision): boolean {
  return decision.d === "send" && decision.notification.previous === decision.notification.current;
}
