/**
 * Somebody else has written since: nothing of this was recorded, and what it was worked out from is not true any more
 * (rule N2). Never to be tried again.
 */
export class Refused extends Error {
  readonly clusterId: string;
  constructor(clusterId: string) {
    super(`somebody else has recorded something of cluster ${clusterId} since`);
    this.name = "Refused";
    this.clusterId = clusterId;
  }
}

/** The last record of the cluster cannot be read here: what is known is older, and nothing is recorded from there. */
export class Unread extends Refused {
  constructor(clusterId: string) {
    super(clusterId);
    this.name = "Unread";
    this.message = `the last record of cluster ${clusterId} in the log cannot be read here (E625)`;
  }
}
