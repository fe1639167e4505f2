/** One entry of `collector.families`: a rule of naming that makes clusters of the proxies that follow it. */
export interface Family {
  /** Which rows of a proxy it is about; `proxy`: all of them. */
  readonly kind: "frontend" | "backend" | "proxy";
  /** A name, a glob, or a template with `{placeholders}`. */
  readonly pattern: string;
  /** A name or glob of the source; `undefined`: any. */
  readonly source: string | undefined;
  /** Template of the cluster's id, with placeholders of the pattern. */
  readonly clusterId: string;
  /** Template of the name that people see; `undefined`: the id. */
  readonly clusterName: string | undefined;
}
