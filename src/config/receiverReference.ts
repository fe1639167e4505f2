import { closest } from "../lib/closest.ts";
import type { Path } from "./explain.ts";
import { quoted } from "./masking.ts";
import type { ReceiverConfig } from "./receivers.ts";
import type { YamlFile } from "./yamlFile.ts";

/** NAME of `receiver:NAME`; `undefined`: it is written in another way. */
export function referredName(written: string): string | undefined {
  return written.startsWith("receiver:") ? written.slice("receiver:".length).trim() : undefined;
}

/** The receiver that `receiver:NAME` names; `undefined`: there is none, which is told. */
export function referredReceiver(
  file: YamlFile,
  path: Path,
  written: string,
  receivers: ReadonlyMap<string, ReceiverConfig>,
): ReceiverConfig | undefined {
  const name = referredName(written) ?? "";
  const found = receivers.get(name);
  if (found) return found;
  const near = closest(name, receivers.keys());
  const hint = near === undefined ? `add "${quoted(name)}:" to receivers:` : `did you mean "receiver:${near}"?`;
  file.error(path, "E201", `there is no receiver "${quoted(name)}"`, hint);
  return undefined;
}
