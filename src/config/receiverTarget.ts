/** A receiver as it is called: secrets and certificates are read when something is sent, and kept nowhere. */

import { TocsinError } from "../lib/errors.ts";
import { splitWebUrl } from "../lib/webUrl.ts";
import type { BodyTemplate } from "../model/body.ts";
import type { ReceiverTarget, TlsFiles } from "../ports.ts";
import { readPem } from "./pem.ts";
import type { ReceiverConfig } from "./receivers.ts";
import { destinationOf, maskedTarget, SUPPORTED_URLS } from "./receiverUrl.ts";
import { expandSecrets, expandTexts, expandTree, hasSecrets } from "./secrets.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where a receiver is and how to talk to it. Throws `E205` or `E212` when a secret or a PEM file cannot be read, and
 * `E206` when the secrets make no URL.
 */
export function targetOf(receiver: ReceiverConfig, clusterName: string, environment: Environment): ReceiverTarget {
  const { name, timeoutS, signSecret, keepAlive } = receiver;
  const secrets: string[] = [];
  const destination = destinationOf(expandSecrets(receiver.url, environment, secrets));
  if (destination === undefined)
    throw new TocsinError("E206", `the alarm_url of receiver ${name} must be ${SUPPORTED_URLS}`);
  if (destination.kind !== "webhook") return destination;
  if (hasSecrets(maskedTarget(receiver.url)))
    secrets.push(...namesOf(destination.url).filter((name) => !secrets.includes(name)));
  const headers = Object.entries(expandTexts(receiver.headers, environment, secrets));
  const tls = tlsOf(receiver);
  return {
    kind: "webhook",
    url: destination.url,
    headers: Object.fromEntries(headers.map(([header, value]) => [header.toLowerCase(), value])),
    timeoutMs: timeoutS * 1000,
    body: bodyWithSecrets(receiver.body, environment, secrets),
    labels: expandTexts(receiver.labels, environment, secrets),
    clusterName,
    secrets,
    ...(signSecret === undefined ? {} : { signSecret: expandSecrets(signSecret, environment, secrets) }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
    ...(keepAlive ? { keepAlive } : {}),
    ...(destination.isTrusted ? { trust: true } : {}),
  };
}

/** The host as it is written and as it is connected to: reasons and answers name either, without port and brackets. */
function namesOf(url: string): readonly string[] {
  const { host = "", hostname = "" } = splitWebUrl(url) ?? {};
  const bare = [host.replace(/:\d*$/, ""), hostname].map((name) => name.replace(/^\[|\]$|\.+$/g, ""));
  return [...new Set(bare)];
}

function bodyWithSecrets(body: BodyTemplate, environment: Environment, found: string[]): BodyTemplate {
  return body.kind === "custom" ? { kind: "custom", tree: expandTree(body.tree, environment, found) } : body;
}

function tlsOf({ name, tls }: ReceiverConfig): TlsFiles {
  const read = (word: keyof typeof tls, what: Parameters<typeof readPem>[2]) => {
    const path = tls[word];
    return path === undefined ? undefined : readPem(`${word} of receiver ${name}`, path, what);
  };
  const ca = read("ca_file", "PEM certificate");
  const cert = read("cert_file", "PEM certificate");
  const key = read("key_file", "PEM private key");
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
