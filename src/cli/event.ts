/** `tocsin event send`: tells the running service what happened. */

import { InvalidArgumentError } from "commander";

export type Traits = Readonly<Record<string, string | number | boolean>>;

/**
 * Adds `NAME=VALUE` to the traits before it. Numbers and truth values are taken as such where nothing is lost by it:
 * `8` and `true`, not `007`. Throws commander's error when it is none.
 */
export function addTrait(text: string, before: Traits | undefined): Traits {
  const cut = text.indexOf("=");
  if (cut < 1) throw new InvalidArgumentError("a trait is NAME=VALUE.");
  return Object.fromEntries([...Object.entries(before ?? {}), [text.slice(0, cut), traitOf(text.slice(cut + 1))]]);
}

function traitOf(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : text;
}

/** What the service answers. */
export interface Sent {
  readonly message_id: string;
  /** How many clusters heard it. */
  readonly clusters: number;
}

/** What became of an event, as a sentence. */
export function sentText({ message_id: id, clusters }: Sent): string {
  if (clusters === 0) return `event ${id} was heard by no cluster: none that it is for has an event alarm`;
  return `event ${id} was heard by ${clusters} ${clusters === 1 ? "cluster" : "clusters"}`;
}
