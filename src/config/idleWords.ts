/** Words of a receiver that are in order, and do nothing where they stand: told, for they were meant to do something. */

import type { Path } from "./explain.ts";
import type { ReceiverFields } from "./receiverSchema.ts";
import type { ReceiverConfig } from "./receivers.ts";
import type { Destination } from "./receiverUrl.ts";
import type { YamlFile } from "./yamlFile.ts";

/** What only a request has. */
const OF_REQUESTS = ["timeout", "headers", "sign", "body", "keep_alive", "labels", "tls"] as const;

/** `destination`: `undefined` where it is not known. */
export function warnOfIdleWords(
  file: YamlFile,
  path: Path,
  fields: ReceiverFields,
  { name, class: kind, body }: ReceiverConfig,
  destination: Destination | undefined,
): void {
  const idle = (word: keyof ReceiverFields, message: string, mend = "remove it") => {
    if (fields[word] !== undefined) file.warn([...path, word], "W004", message, mend);
  };
  if (kind === "control")
    idle(
      "max_age",
      `receiver "${name}" scales, and actions do not age: max_age has no effect`,
      "remove it, or set class: notice",
    );
  else
    idle(
      "on_no_effect",
      `receiver "${name}" scales nothing: on_no_effect never happens`,
      "remove it, or set class: control",
    );
  if (destination !== undefined && destination.kind !== "webhook") {
    for (const word of OF_REQUESTS)
      idle(word, `receiver "${name}" sends nothing over the network: ${word} has no effect`);
    return;
  }
  if (body.kind !== "alertmanager-v4" && body.kind !== "tacker-v2")
    idle("labels", `the body of receiver "${name}" has no labels: labels has no effect`);
}
