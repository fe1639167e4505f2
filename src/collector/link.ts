import { messageOf } from "../lib/errors.ts";
import type { SourceEntry, WebEntry } from "../model/source.ts";
import type { Clock } from "../ports.ts";
import { socketTransport } from "./ask.ts";
import { pageTransport } from "./page.ts";
import { prometheusTransport } from "./prometheus.ts";
import type { Answer, Transport } from "./transport.ts";
import type { WebSecrets } from "./web.ts";

/** Secrets of a source, resolved anew for each request; throws what says why there are none. */
export type SecretsOf = (entry: WebEntry) => WebSecrets;

/** How the source of an entry is reached; `path`: of the one socket that a glob found. */
export function transportOf(entry: SourceEntry, path: string, clock: Clock, secretsOf: SecretsOf): Transport {
  switch (entry.kind) {
    case "socket":
      return socketTransport({ path }, clock);
    case "tcp":
      return socketTransport({ host: entry.host, port: entry.port }, clock);
    case "page":
    case "prometheus": {
      const { url, username } = entry;
      const secrets = () => ({ ...(username === undefined ? {} : { username }), ...secretsOf(entry) });
      const make = entry.kind === "page" ? pageTransport : prometheusTransport;
      return sayingWhatIsMissing(make({ url, secrets, clock }));
    }
  }
}

/** A secret that cannot be read is an error of this source alone. */
function sayingWhatIsMissing(transport: Transport): Transport {
  const { address, isLocal } = transport;
  return {
    address,
    isLocal,
    async ask(timeoutMs, tables): Promise<Answer> {
      try {
        return await transport.ask(timeoutMs, tables);
      } catch (error) {
        return { ok: false, code: "secret", reason: messageOf(error) };
      }
    },
  };
}
