/** What streams, buckets and subjects are called. All begin with one prefix, so that several services share a server. */

export interface BusNames {
  readonly prefix: string;
  /** Streams. */
  readonly log: string;
  readonly samples: string;
  /** Buckets: who is there, who owns which partition, where rows go, what agents say, how the bus was set up. */
  readonly members: string;
  readonly owners: string;
  readonly mappings: string;
  readonly agents: string;
  readonly setup: string;
  /** What the subjects begin with at which answers are awaited: those of agents apart, so that they hear nobody else's. */
  readonly inboxes: { readonly agent: string; readonly engine: string };
  /** The one subject of a cluster's log. */
  logSubject(clusterId: string): string;
  /** Where pieces of a record that is too large for one message go. */
  partSubject(clusterId: string): string;
  samplesSubject(partition: number): string;
  /** Where a process takes requests. */
  requestSubject(memberId: string): string;
}

/** `prefix`: letters, digits, `-` and `_`. */
export function busNames(prefix: string): BusNames {
  return {
    prefix,
    log: `${prefix}_log`,
    samples: `${prefix}_samples`,
    members: `${prefix}_members`,
    owners: `${prefix}_owners`,
    mappings: `${prefix}_mappings`,
    agents: `${prefix}_agents`,
    setup: `${prefix}_setup`,
    inboxes: { agent: `_INBOX.${prefix}.agent`, engine: `_INBOX.${prefix}.engine` },
    logSubject: (clusterId) => `${prefix}.log.${keyOf(clusterId)}`,
    partSubject: (clusterId) => `${prefix}.part.${keyOf(clusterId)}`,
    samplesSubject: (partition) => `${prefix}.samples.${partition}`,
    requestSubject: (memberId) => `${prefix}.request.${memberId}`,
  };
}

/**
 * An id as one token of a subject, and as a key of a bucket: letters, digits, `-` and `_` stay, each other byte of its
 * UTF-8 becomes `=` and two hex digits.
 */
export function keyOf(id: string): string {
  if (/^[A-Za-z0-9_-]+$/.test(id)) return id;
  return [...Buffer.from(id, "utf8")]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[A-Za-z0-9_-]/.test(letter) ? letter : `=${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");
}

/** The id of a key; `undefined`: it is none of ours. */
export function idOf(key: string): string | undefined {
  if (!/^(?:[A-Za-z0-9_-]|=[0-9a-f]{2})*$/.test(key)) return undefined;
  const bytes = key.match(/=[0-9a-f]{2}|./g) ?? [];
  return Buffer.from(
    bytes.map((one) => (one.length === 3 ? Number.parseInt(one.slice(1), 16) : one.charCodeAt(0))),
  ).toString("utf8");
}
