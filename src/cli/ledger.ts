/** Commands about deliveries and receivers: words and flags. */

import type { Command } from "commander";
import { parseRfc3339, systemClock } from "../lib/clock.ts";
import type { ClusterView, DeliveryDetail, DeliveryView, ReceiverTest, ReceiverView } from "../serviceView.ts";
import type { Shape } from "./context.ts";
import { EXIT, Exit } from "./context.ts";
import { deliveryTable, deliveryText, droppedText, retriedText } from "./delivery.ts";
import { isWell, receiverTable, testText } from "./receiver.ts";
import type { Flags, Talk } from "./talk.ts";
import { limitOf, MOST_ROWS } from "./talk.ts";

/** A list of deliveries. */
export const DELIVERIES: Shape = { listOf: "delivery_id" };
const DELIVERY: Shape = { of: "delivery_id" };
const CLUSTERS: Shape = { listOf: "cluster_id" };
const TEST: Shape = { of: "problem" };

/** Longest wait for a test, ms: the time-out of the receiver is usually the shorter. */
const TEST_TIMEOUT_MS = 600_000;

const pathOf = (id: string) => `/api/v1/deliveries/${encodeURIComponent(id)}`;

interface ListFlags extends Flags {
  readonly attention?: boolean;
  readonly cluster?: string;
  readonly limit: number;
}

interface TestFlags extends Flags {
  readonly cluster?: string;
  readonly send?: boolean;
  readonly yes?: boolean;
}

/** Adds them all. */
export function addLedgerCommands(program: Command, talk: Talk): void {
  addDeliveries(program, talk);
  addReceivers(program, talk);
}

function addDeliveries(program: Command, talk: Talk): void {
  const { ask, tell, reading, print, say } = talk;
  const delivery = program.command("delivery").description("what was sent to receivers, and what became of it");
  const clustersFor = (flags: Flags) =>
    flags.output === "json" ? [] : ask<ClusterView[]>("/api/v1/clusters", CLUSTERS);

  reading(delivery.command("list").description("the newest deliveries; what needs a person first"))
    .option("--attention", "only what needs a person, each one of it")
    .option("--cluster <cluster>", "only those of that cluster, by name or id")
    .option(
      "--limit <n>",
      "how many at most: 1 to 1000; in a table what needs a person comes on top of these",
      limitOf,
      50,
    )
    .action(async (flags: ListFlags) => {
      const cluster = flags.cluster === undefined ? "" : `&cluster=${encodeURIComponent(flags.cluster)}`;
      const pathFor = (limit: number) => `/api/v1/deliveries?limit=${limit}${cluster}`;
      const isEach = flags.attention === true || flags.output === "json";
      // Where those that are alike take one line, all of them are looked at.
      const most = isEach ? flags.limit : MOST_ROWS;
      const needing = await ask<DeliveryView[]>(`${pathFor(most)}&attention=true`, DELIVERIES);
      const newest = flags.attention ? [] : await ask<DeliveryView[]>(pathFor(flags.limit), DELIVERIES);
      const rest = newest.filter(({ attention }) => !attention);
      const clusters = await clustersFor(flags);
      print(flags, [...needing, ...rest], () =>
        deliveryTable({ needing, rest, clusters, isEach }, systemClock, parseRfc3339),
      );
    });

  reading(delivery.command("show").description("all of one delivery: its attempts, their times, and the answers"))
    .argument("<id>", "its id, or the first 8 digits of it")
    .action(async (id: string, flags: Flags) => {
      const found = await ask<DeliveryDetail>(pathOf(id), DELIVERY);
      const clusters = await clustersFor(flags);
      const name = clusters.find((one) => one.cluster_id === found.cluster_id)?.cluster_name ?? found.cluster_id;
      print(flags, found, () => deliveryText(found, name));
    });

  /** One after the other; the first that is refused is the last. */
  const tellOf = (what: "retry" | "drop", description: string, text: (after: DeliveryView) => string) =>
    delivery
      .command(what)
      .description(description)
      .argument("<id...>", "ids, or the first 8 digits of them")
      .action(async (ids: readonly string[]) => {
        for (const id of ids) say(text(await tell<DeliveryView>(`${pathOf(id)}/${what}`, DELIVERY, {})));
      });
  tellOf(
    "retry",
    "make a delivery again: a notice as it was, an action where its alarm still asks for it",
    retriedText,
  );
  tellOf("drop", "give up one that waits; of one that has ended: it needs nobody any more", droppedText);
}

function addReceivers(program: Command, talk: Talk): void {
  const { ask, reading, print } = talk;
  const receiver = program.command("receiver").description("receivers of the rule files in force");

  reading(receiver.command("list").description("where they are, and whether they answer")).action(
    async (flags: Flags) => {
      const receivers = await ask<ReceiverView[]>("/api/v1/receivers", { listOf: "breaker" });
      print(flags, receivers, () => receiverTable(receivers));
    },
  );

  reading(receiver.command("test").description("what a receiver would get, and whether it could; nothing is sent"))
    .argument("<receiver>", "its name, as `receiver list` has it")
    .option("--cluster <cluster>", "of that cluster, by name or id")
    .option("--send", "send it, marked as a test")
    .option("--yes", "also to a receiver that scales, without asking: most of these scale at any POST")
    .action(async (name: string, flags: TestFlags) => {
      const test = await runTest(name, flags, talk);
      print(flags, test, () => testText(test));
      if (!isWell(test)) throw new Exit(EXIT.findings);
    });
}

/** The dry run, and where it finds nothing wrong and it is asked for, the real one. */
async function runTest(name: string, flags: TestFlags, { tell, confirm, warn }: Talk): Promise<ReceiverTest> {
  const asked = { receiver: name, ...(flags.cluster === undefined ? {} : { cluster: flags.cluster }) };
  const test = (send: boolean) =>
    tell<ReceiverTest>("/api/v1/receivers/test", TEST, { ...asked, send }, TEST_TIMEOUT_MS);
  const dry = await test(false);
  if (!flags.send || dry.problem !== null) return dry;
  if (dry.class === "control" && !flags.yes) {
    const warning = `${name} of ${dry.cluster_name} scales: most receivers that do so scale at any POST, also at a test`;
    if (!confirm) {
      warn(`tocsin: ${warning}; say --yes to send it all the same`);
      throw new Exit(EXIT.usage);
    }
    if (!(await confirm(`${warning}. Send it?`))) {
      warn("tocsin: nothing was sent");
      throw new Exit(EXIT.findings);
    }
  }
  return test(true);
}
