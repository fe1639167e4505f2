/** Finds the records that a cluster's log may begin with, by their headers alone. */

import type { Msg } from "nats";
import { AckPolicy, DeliverPolicy } from "nats";
import { rfc3339 } from "../../../lib/clock.ts";
import type { NatsLink } from "../link/link.ts";
import { logMessage, placeIn } from "./recordsGet.ts";

const BATCH = 256;
const EXPIRES_MS = 1000;
/** The server answers in time, or something is wrong. */
const ANSWER_MS = 5000;

export interface Beginning {
  /** In the stream. */
  readonly seq: number;
  /** Of the tick of its checkpoint. */
  readonly number: number;
}

/**
 * Those stored at or after `from` (epoch ms, the server's clock) whose tick is `upTo` or before, in order; the search
 * ends with the first beyond. Throws what the client throws, and when the server does not answer.
 */
export async function beginningsFrom(
  link: NatsLink,
  clusterId: string,
  from: number,
  upTo: number,
): Promise<readonly Beginning[]> {
  const { jsm, names } = link;
  const consumer = await jsm.consumers.add(names.log, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: rfc3339(from),
    filter_subject: names.logSubject(clusterId),
    headers_only: true,
    inactive_threshold: 10_000 * 1e6,
    mem_storage: true,
    num_replicas: 1,
  });
  const found: Beginning[] = [];
  try {
    for (let pending = consumer.num_pending; pending > 0; ) {
      const messages = await ask(link, consumer.name, Math.min(BATCH, pending));
      for (const { headers, data, reply } of messages) {
        const { seq = 0, at = 0 } = placeIn(reply) ?? {};
        const { checkpoint } = logMessage(seq, at, headers, data);
        if (checkpoint === undefined) continue;
        if (checkpoint > upTo) return found;
        found.push({ seq, number: checkpoint });
      }
      pending = messages.length === 0 ? 0 : pending - messages.length;
    }
    return found;
  } finally {
    void jsm.consumers.delete(names.log, consumer.name).catch(() => {});
  }
}

/** So many messages, or those that there are. */
function ask(
  { nc, names, clock, inbox: newInbox }: NatsLink,
  consumer: string,
  batch: number,
): Promise<readonly Msg[]> {
  const inbox = newInbox();
  return new Promise((resolve, reject) => {
    const messages: Msg[] = [];
    const end = (settle: () => void) => {
      timer.cancel();
      subscription.unsubscribe();
      settle();
    };
    const timer = clock.after(ANSWER_MS, () => end(() => reject(new Error("the server does not say anything"))));
    const subscription = nc.subscribe(inbox, {
      callback: (error, message) => {
        if (error) end(() => reject(error));
        else if (message.subject === inbox) end(() => resolve(messages));
        else if (messages.push(message) === batch) end(() => resolve(messages));
      },
    });
    const body = JSON.stringify({ batch, expires: EXPIRES_MS * 1e6 });
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${names.log}.${consumer}`, body, { reply: inbox });
  });
}
