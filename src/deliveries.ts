/** What people see of the ledger's deliveries, and what they do about one that went wrong. */

import type { ClusterState } from "./evaluator/cluster.ts";
import { wasDone, whyNotDeliver } from "./evaluator/person.ts";
import { TocsinError } from "./lib/errors.ts";
import type { Command, Delivery } from "./model/decision.ts";
import type { DeliveryRecord, Ledger } from "./ports.ts";
import type { ServiceView } from "./serviceView.ts";
import { deliveryDetail, deliveryView, NEED_A_PERSON } from "./views.ts";

export interface DeliveriesOptions {
  readonly ledger: Pick<Ledger, "deliveries" | "delivery">;
  readonly clusters: () => readonly ClusterState[];
  /** Folds a command. */
  readonly command: (clusterId: string, command: Command) => Promise<void>;
}

/** The beginning of an id, with or without `msg_`. */
const BEGINNING = /^(?:msg_)?([0-9a-f]{8}[0-9a-f-]{0,28})$/i;

/** The part of the service that is about deliveries. */
export function deliveriesOf(options: DeliveriesOptions): Pick<ServiceView, "deliveries" | "delivery" | "deliver"> {
  const { ledger, clusters, command } = options;
  return {
    async deliveries({ limit, clusterId, attention = false }) {
      const found = await ledger.deliveries({
        limit,
        ...(clusterId === undefined ? {} : { clusterId }),
        ...(attention ? { statuses: NEED_A_PERSON } : {}),
      });
      return found.map(deliveryView);
    },

    async delivery(id) {
      const record = await find(ledger, id);
      return record && deliveryDetail(record);
    },

    async deliver(id, what) {
      const record = await find(ledger, id);
      if (!record) throw new TocsinError("E406", `there is no delivery ${id}: "tocsin delivery list" has them`);
      const { delivery } = record;
      const said = { kind: "command", command: what, delivery } as const;
      const refusedNow = (told: Delivery) => {
        const cluster = clusters().find(({ clusterId }) => clusterId === delivery.clusterId);
        return cluster && whyNotDeliver(cluster, { ...said, delivery: told });
      };
      const refused = refusedNow(delivery);
      if (refused !== undefined) throw refusal(delivery, what, refused);
      await command(delivery.clusterId, said);
      // A tick or another person may have come first: then the cluster left it as it is.
      const after = (await ledger.delivery(delivery.id))?.delivery ?? delivery;
      if (!wasDone(said, after) || isAsItEnded(delivery, after))
        throw refusal(delivery, what, refusedNow(after) ?? `it is ${after.status} by now`);
      return deliveryView(after);
    },
  };
}

/** What waits is not changed by a retry that ends its wait; what has ended is. */
function isAsItEnded(before: Delivery, after: Delivery): boolean {
  return before.status !== "waiting" && after.status === before.status && after.reason === before.reason;
}

function refusal({ id, receiver }: Delivery, what: "retry" | "drop", why: string): TocsinError {
  const cannot = what === "retry" ? "is not made again" : "is not dropped";
  return new TocsinError("E407", `delivery ${id} to ${receiver} ${cannot}: ${why}`);
}

/** By its id, or by its beginning where that is only one's. Throws `E406` where several begin so. */
async function find(ledger: DeliveriesOptions["ledger"], id: string): Promise<DeliveryRecord | undefined> {
  const exact = await ledger.delivery(id);
  const beginning = BEGINNING.exec(id)?.[1];
  if (exact || beginning === undefined) return exact;
  const [first, ...more] = await ledger.deliveries({ idPrefix: `msg_${beginning.toLowerCase()}`, limit: 2 });
  if (more.length > 0) throw new TocsinError("E406", `several deliveries begin with ${id}: write more of the id`);
  return first && ledger.delivery(first.id);
}
