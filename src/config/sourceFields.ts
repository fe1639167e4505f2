/** `collector.sources` of `tocsin.yaml`: how each HAProxy is reached. */

import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { messageOf } from "../lib/errors.ts";
import { splitWebUrl } from "../lib/webUrl.ts";
import type { SourceEntry } from "../model/source.ts";
import type { Path } from "./explain.ts";
import { name } from "./fields.ts";
import { hostPort } from "./hostPort.ts";
import { checkSecret } from "./secretCheck.ts";
import { hasHalfPlaceholder, hasSecrets } from "./secrets.ts";
import type { YamlFile } from "./yamlFile.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const path = z.string().min(1, "must not be empty").max(4096, "at most 4096 characters");

/** An http(s) URL as it is asked for. */
const webUrl = z
  .string()
  .min(1, "must not be empty")
  .max(2048, "at most 2048 characters")
  .superRefine((url, context) => {
    const problem = problemOf(url);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  });

function problemOf(url: string): string | undefined {
  const expected = "expected http(s)://host[:port]/path";
  if (hasSecrets(url)) return `${expected}: secrets belong into username and password`;
  if (/^https?:\/\/[^/?#]*@/i.test(url))
    return "user and password do not belong into the URL: write username: and password: beside it";
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(url)) return `${expected}: write http:// (or https://) before it`;
  if (!/^https?:\/\//i.test(url)) return `${expected}, no other scheme`;
  return url.includes("#") || !splitWebUrl(url) ? `${expected}, without spaces or fragment` : undefined;
}

/** A path, and nothing that other programs write before one. */
const socketPath = path.superRefine((written, context) => {
  const [, scheme = ""] = /^(unix|file|abns|https?|tcp)(?::\/\/|@|:)/i.exec(written) ?? [];
  if (scheme === "") return;
  const rest = written.replace(/^[a-z]+[:@](?:\/\/)?/i, "");
  const right: Readonly<Record<string, string>> = {
    unix: rest.startsWith("/") ? `write the path alone: ${rest}` : "write the path alone",
    abns: "a socket of the abstract namespace cannot be asked: give one with a path",
    tcp: "give it as tcp: host:port",
  };
  const message = right[scheme.toLowerCase()] ?? (scheme === "file" ? right.unix : "give it as url:") ?? "";
  context.addIssue({ code: "custom", message });
});

const secret = z.string().min(1, "must not be empty").max(2048, "at most 2048 characters");

/** One entry as it is written; which words go together `checkSources` knows. */
export const sourceFields = z.strictObject({
  name: name.refine((one) => !one.includes(":"), "must not hold a colon"),
  socket: socketPath.optional(),
  tcp: hostPort("127.0.0.1:9999 or [::1]:9999", 1).optional(),
  url: webUrl.optional(),
  prometheus: webUrl.optional(),
  username: secret.refine((one) => !one.includes(":"), "must not hold a colon").optional(),
  password: secret
    .refine(
      (written) => !hasHalfPlaceholder(written),
      `a secret is written \${env:NAME} or \${file:/path}; a password that has \${ in it belongs into a file`,
    )
    .optional(),
  tls: z.strictObject({ ca_file: path.optional() }).optional(),
});

type SourceFields = z.infer<typeof sourceFields>;

/** The well-known stats sockets of Octavia, Neutron, Debian, CentOS and Kolla. */
export const DEFAULT_SOURCES: readonly SourceEntry[] = [
  { name: "octavia", socket: "/var/lib/octavia/*.sock" },
  { name: "neutron", socket: "/var/lib/neutron/lbaas/v2/*/haproxy_stats.sock" },
  { name: "debian", socket: "/run/haproxy/admin.sock" },
  { name: "centos", socket: "/var/lib/haproxy/stats" },
  { name: "kolla", socket: "/var/lib/kolla/haproxy/haproxy.sock" },
].map((entry) => ({ ...entry, kind: "socket", quiet: true }));

/** The entry of words that `checkSources` finds nothing wrong with. `folder`: what paths are relative to. */
export function sourceEntry(fields: SourceFields, folder: string): SourceEntry {
  const { name: source, socket, tcp, url, prometheus, username, password, tls } = fields;
  const base = { name: source, quiet: false };
  if (socket !== undefined) return { ...base, kind: "socket", socket: resolve(folder, socket) };
  if (tcp !== undefined) return { ...base, kind: "tcp", host: tcp.host, port: tcp.port };
  return {
    ...base,
    kind: url === undefined ? "prometheus" : "page",
    url: url ?? prometheus ?? "",
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls?.ca_file === undefined ? {} : { caFile: resolve(folder, tls.ca_file) }),
  };
}

const UNASKED = "this source fails until that is mended";

/** Warns of what cannot be read now: it is read anew for each request, so that it keeps no service from starting. */
export function checkSourceSecrets(
  file: YamlFile,
  place: Path,
  sources: readonly SourceFields[],
  folder: string,
  environment: Environment,
): void {
  sources.forEach(({ username, password, tls }, index) => {
    for (const [word, text] of Object.entries({ username, password }))
      if (text !== undefined) checkSecret(file, [...place, index, word], text, environment, UNASKED);
    if (tls?.ca_file === undefined) return;
    try {
      accessSync(resolve(folder, tls.ca_file), constants.R_OK);
    } catch (error) {
      const at = [...place, index, "tls", "ca_file"];
      file.warn(at, "W005", `cannot read ca_file: ${messageOf(error)}`, UNASKED);
    }
  });
}
