/** An `alarm_url` at load: whether something can be sent there, and what its words do not do here. */

import type { AddressPolicy } from "../lib/addressPolicy.ts";
import type { Path } from "./explain.ts";
import type { ReceiverConfig } from "./receivers.ts";
import type { Destination } from "./receiverUrl.ts";
import { destinationOf, SUPPORTED_URLS, scalerOf } from "./receiverUrl.ts";
import { checkSecret, complain } from "./secretCheck.ts";
import { hasSecrets } from "./secrets.ts";
import type { YamlFile } from "./yamlFile.ts";

/** What receivers are made and checked with. */
export interface ReceiverDefaults {
  readonly timeoutS: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long a connection may take; by default nothing is compared with that. */
  readonly connectTimeoutS?: number;
  /** `notifier.keystone` is configured; by default it is not. */
  readonly hasKeystone?: boolean;
  /** What may be connected to; by default that is not looked at before something is sent. */
  readonly policy?: AddressPolicy;
}

/** Where a URL leads to; `undefined`: that cannot be known, or nothing can be sent there, which is told. */
export function checkUrl(
  file: YamlFile,
  path: Path,
  { url, body }: Pick<ReceiverConfig, "url" | "body">,
  defaults: ReceiverDefaults,
): Destination | undefined {
  const expanded = checkSecret(file, path, url, defaults.environment);
  if (expanded === undefined) return undefined;
  const destination = destinationOf(expanded);
  if (destination === undefined) {
    complain(file, path, url, "E206", `an alarm_url is ${SUPPORTED_URLS}`, hintFor(expanded));
    return undefined;
  }
  if (destination.kind !== "webhook") return destination;
  if (destination.isTrusted && defaults.hasKeystone !== true) {
    const message = "trust+ takes a token of Keystone, and tocsin.yaml has no notifier.keystone";
    complain(file, path, url, "E214", message, "add it there, or leave out trust+");
  }
  checkAddress(file, path, url, destination.url, defaults.policy);
  checkQuery(file, path, destination.url, body.kind === "none");
  return destination;
}

/** How to mend a URL that leads nowhere. */
function hintFor(url: string): string | undefined {
  const [, trust, host = "", rest = ""] = /^(trust\+)?https?:\/\/([^/?#]*)(.*)$/is.exec(url) ?? [];
  if (host.includes("@"))
    return trust === undefined ? undefined : "leave out what is before the @: the token is that of notifier.keystone";
  if (/[^ -~]/.test(host)) return "write its host in ASCII: as punycode, xn--…";
  if (/[^!-~]/.test(rest)) return "percent-encode what is no printable ASCII in its path or query: a space is %20";
  return undefined;
}

function checkAddress(
  file: YamlFile,
  path: Path,
  written: string,
  url: string,
  policy: AddressPolicy | undefined,
): void {
  const refusal = policy?.refusalOfHost(new URL(url).hostname, false);
  if (refusal === undefined) return;
  // The reason names the host, which is a secret's where the URL has one.
  const why = hasSecrets(written) ? "" : `: ${refusal}`;
  complain(
    file,
    path,
    written,
    "E213",
    `nothing is sent to this address${why}`,
    "notifier.allow of tocsin.yaml lets it through",
  );
}

/** What other senders take from a query, and what Senlin does with its own. */
function checkQuery(file: YamlFile, path: Path, url: string, isEmptyBody: boolean): void {
  const query = url.split("?").slice(1).join("?").split("&");
  if (scalerOf(url) === "senlin" && query.includes("V=1") && !isEmptyBody)
    file.warn(path, "L006", "with V=1 Senlin refuses the body of an alarm (400)", "write V=2");
  const verify = query.find((one) => /^(aodh-alarm|ceilometer-alarm)-ssl-verify=0$/.test(one));
  if (verify === undefined || !/^https:/i.test(url)) return;
  const message = `"${verify}" is sent along and not heeded: certificates are verified all the same`;
  file.warn(path, "W007", message, "name the authority of the certificate: tls: {ca_file: …}");
}
