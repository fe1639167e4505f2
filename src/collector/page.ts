/** HAProxy's statistics page as CSV. */

import type { Clock } from "../ports.ts";
import { DumpReader } from "./dump.ts";
import { withRightKind } from "./mistakes.ts";
import { shownUrl } from "./shownUrl.ts";
import type { Transport } from "./transport.ts";
import type { WebSecrets } from "./web.ts";
import { askWeb, withoutSecrets } from "./web.ts";

export interface WebOptions {
  readonly url: string;
  /** Throws what says why there are none. */
  readonly secrets: () => WebSecrets;
  readonly clock: Clock;
}

/** The page of a URL: its base, its `stats uri`, or the CSV's own. */
export function pageTransport({ url, secrets, clock }: WebOptions): Transport {
  const csvUrl = pageUrl(url);
  const place = shownUrl(csvUrl);
  return {
    address: place,
    isLocal: false,
    ask: async (timeoutMs, tables) => {
      const known = secrets();
      const reader = new DumpReader("page", tables, (text) => withoutSecrets(text, known));
      const answer = await askWeb({ kind: "page", url: csvUrl, place, ...known, reader }, timeoutMs, clock);
      return answer.ok ? answer : withRightKind(answer, url);
    },
  };
}

/**
 * The URL of the CSV: `;csv` follows the `stats uri`, whether that is a path or ends with a query; a URL that has it
 * already stays as it is.
 */
export function pageUrl(url: string): string {
  const [whole = ""] = url.split("#", 1);
  if (/;csv(?:;|$)/.test(whole)) return whole;
  const hasPath = /^https?:\/\/[^/?]+\//i.test(whole);
  if (hasPath) return `${whole};csv`;
  const query = whole.indexOf("?");
  return query < 0 ? `${whole}/;csv` : `${whole.slice(0, query)}/${whole.slice(query)};csv`;
}
