/** A Prometheus endpoint of HAProxy, or Octavia's of a load balancer: the same rows as `show stat` gives, made of metrics. */

import { metricsRead } from "./metricNames.ts";
import { MetricsReader } from "./metricsReader.ts";
import type { WebOptions } from "./page.ts";
import { shownUrl } from "./shownUrl.ts";
import type { Tables } from "./tables.ts";
import type { Answer, Transport } from "./transport.ts";
import { askWeb } from "./web.ts";

/**
 * What is asked for where the URL has no query: no listeners and stick tables (since 2.0), and since 3.0 only the
 * metrics that are read, which is a third of the answer. Older ones ignore what they do not know.
 */
const QUERY = `?scope=global&scope=frontend&scope=backend&scope=server&metrics=${metricsRead().join(",")}`;

/** The endpoint of a URL. */
export function prometheusTransport({ url, secrets, clock }: WebOptions): Transport {
  const place = shownUrl(url);
  let plain = url.includes("?");
  const askOnce = (asked: string, timeoutMs: number, tables: Tables | undefined) => {
    const reader = new MetricsReader(tables);
    return askWeb({ kind: "prometheus", url: asked, place, ...secrets(), reader }, timeoutMs, clock);
  };
  return {
    address: place,
    isLocal: false,
    async ask(timeoutMs, tables): Promise<Answer> {
      if (plain) return askOnce(url, timeoutMs, tables);
      const sentMs = clock.monotonic();
      const answer = await askOnce(`${url}${QUERY}`, timeoutMs, tables);
      const leftMs = timeoutMs - (clock.monotonic() - sentMs);
      if (answer.ok || answer.code !== "http" || leftMs <= 0) return answer;
      // What stands before the endpoint may know its path without a query only.
      const again = await askOnce(url, leftMs, tables);
      plain = again.ok;
      return again.ok ? again : answer;
    },
  };
}
