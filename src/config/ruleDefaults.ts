import { createAddressPolicy } from "../lib/addressPolicy.ts";
import type { RuleDefaults } from "./ruleFile.ts";
import type { Settings } from "./settings.ts";

/** What rule files are read with: `tocsin.yaml` and the environment. */
export function ruleDefaults(
  { repeatIntervalS, intervalMs, notifier }: Settings,
  environment: Readonly<Record<string, string | undefined>>,
): RuleDefaults {
  return {
    repeatIntervalS,
    timeoutS: notifier.timeoutS,
    connectTimeoutS: notifier.connectTimeoutMs / 1000,
    intervalS: intervalMs / 1000,
    environment,
    hasKeystone: notifier.keystone !== undefined,
    policy: createAddressPolicy(notifier),
  };
}
