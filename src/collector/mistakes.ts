/** Answers that are no statistics but tell what is there instead, and which setting would be right for it. */

import type { Failure } from "./transport.ts";

/** Type of TLS's records that say what is wrong, and the first half of every version's number (RFC 8446, 5.1). */
const ALERT = 0x15;
const TLS_MAJOR = 3;

/** What a stats socket said that is none, by the first bytes of the answer; `undefined`: nothing that is known. */
export function socketMistake(head: string, place: string): Failure | undefined {
  const text = head.trimStart();
  if (isTls(head)) {
    const reason = `${place} speaks TLS, and a stats socket is asked without: give a \`stats socket\` without ssl, or the statistics page as url: https://…`;
    return mistake("tls", reason);
  }
  if (text.startsWith("HTTP/")) {
    return mistake("http", `${place} speaks HTTP: it is no stats socket; give it as url: (or prometheus:)`);
  }
  if (text.startsWith("Unknown command")) {
    const reason = `${place} knows no \`show stat\`: it is HAProxy's master socket (-S); give the \`stats socket\` of the worker`;
    return mistake("master", reason);
  }
  return undefined;
}

/** What a web server sent in the place of statistics of a kind; `undefined`: nothing that is known. */
export function pageMistake(kind: "page" | "prometheus", head: string, place: string): Failure | undefined {
  const text = head.trimStart();
  if (text.startsWith("<")) {
    const reason =
      kind === "page"
        ? `${place} is a web page, not CSV: the URL must be the \`stats uri\` of HAProxy, e.g. http://host:1080/haproxy?stats`
        : `${place} is a web page, not metrics: give the path of HAProxy's prometheus-exporter, e.g. http://host:8404/metrics`;
    return mistake("html", reason);
  }
  if (kind === "page" && /^# (HELP|TYPE) /.test(text)) {
    return mistake("not_stats", `${place} is a Prometheus endpoint, not HAProxy's page: give it as prometheus:`);
  }
  if (kind === "prometheus" && text.startsWith("# pxname,")) {
    return mistake("not_stats", `${place} is HAProxy's page, not a Prometheus endpoint: give it as url:`);
  }
  return undefined;
}

/** A page that was not there, of a URL that looks like the other kind's; the failure itself where it does not. */
export function withRightKind(failed: Failure, url: string): Failure {
  const isWrongPage = ["http", "html", "not_stats", "redirect"].includes(failed.code);
  if (!isWrongPage || !/\/metrics\/?(?:[?;]|$)/.test(url) || failed.reason.includes("prometheus:")) return failed;
  const end = failed.reason.endsWith("?") ? " A" : "; a";
  return { ...failed, reason: `${failed.reason}${end} URL that ends in /metrics is given as prometheus:` };
}

/** What closed a stats socket's connection without a word; the failure itself where it said some. */
export function withTlsGuess(failed: Failure, place: string): Failure {
  const reason = `${place} closed the connection without an answer: it may speak TLS; give a \`stats socket\` without ssl, or the statistics page as url: https://…`;
  return { ...failed, reason };
}

/** The first bytes of what TLS says to one who speaks something else: an alert. */
function isTls(head: string): boolean {
  return head.charCodeAt(0) === ALERT && head.charCodeAt(1) === TLS_MAJOR && head.charCodeAt(2) <= 4;
}

/** What speaks on a port that was asked over HTTP and answers something else. */
export function notHttp(said: string, place: string): Failure {
  const text = said.trimStart();
  if (isTls(said)) return mistake("tls", `${place} speaks TLS: is it https: instead of http:?`);
  if (text.startsWith("Unknown command") || text.startsWith("# pxname,") || text.startsWith("Permission denied")) {
    return mistake("not_http", `${place} is a stats socket, not a web server: give it as tcp:`);
  }
  return mistake("not_http", `${place} does not speak HTTP: look at the port, and at http or https`);
}

function mistake(code: string, reason: string): Failure {
  return { ok: false, code, reason };
}
