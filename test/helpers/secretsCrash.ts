/** The service, made to die of an exception while it holds a receiver's secrets: `resolving` it, or when it `told` of it. */

import { join } from "node:path";
import { startApp } from "../../src/app.ts";
import { ruleDefaults } from "../../src/config/ruleDefaults.ts";
import { loadRules } from "../../src/config/rules.ts";
import { loadSettings } from "../../src/config/settings.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { createLogger } from "../../src/lib/log.ts";
import type { Logger } from "../../src/ports.ts";

const [moment] = process.argv.slice(2);
const cwd = process.cwd();
const { settings, diagnostics } = loadSettings(join(cwd, "tocsin.yaml"), cwd);
if (!settings) throw new Error(JSON.stringify(diagnostics));
const rules = loadRules([settings.rulesPath], cwd, ruleDefaults(settings, process.env));
const quiet = createLogger({ ...settings.log, isTerminal: false });
const isWebhook = (text: string) => moment === "told" && text.startsWith("webhook");
const log: Logger = {
  ...quiet,
  info(text, fields) {
    if (isWebhook(text)) throw new Error("planted crash", { cause: fields });
    quiet.info(text, fields);
  },
  warn(text, fields) {
    if (isWebhook(text)) throw new Error("planted crash", { cause: fields });
    quiet.warn(text, fields);
  },
};
const environment = new Proxy(process.env, {
  get(variables, name) {
    const value = variables[String(name)];
    if (moment === "resolving" && name === "HOOK_TOKEN") {
      process.nextTick((held: string | undefined) => {
        // It is at hand where it is thrown, and so is the stack of the resolving.
        throw new Error(`planted crash with ${held?.length} characters in hand`);
      }, value);
    }
    return value;
  },
});
await startApp({
  settings: { ...settings, dataPath: join(cwd, `data-${moment}`) },
  clusters: rules.clusters,
  environment,
  clock: systemClock,
  log,
  onFatal(reason) {
    throw new Error(reason);
  },
});
log.info("runs");
