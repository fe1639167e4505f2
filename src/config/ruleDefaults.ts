import { createAddressPolicy } from "../lib/addressPolicy.ts";
import type { RuleDefaults } from "./ruleFile.ts";
import type { Settings } from "./settings.ts";
import { knownSources } from "./sourceNames.ts";

/** What rule files are read with: `tocsin.yaml` and the environment. */
export function ruleDefaults(
  { file, repeatIntervalS, intervalMs, notifier, store, sources }: Settings,
  environment: Readonly<Record<string, string | undefined>>,
): RuleDefaults {
  return {
    repeatIntervalS,
    timeoutS: notifier.timeoutS,
    connectTimeoutS: notifier.connectTimeoutMs / 1000,
    intervalS: intervalMs / 1000,
    // Where there is no tocsin.yaml, rule files are meant for a service elsewhere.
    ...(file === undefined ? {} : { sources: knownSources(sources) }),
    keptS: store.retention.clustersS,
    environment,
    hasKeystone: notifier.keystone !== undefined,
    policy: createAddressPolicy(notifier),
  };
}
