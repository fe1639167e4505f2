/** Which InfluxDB series are kept in. */

/** Where series are kept. Plain data: it goes to threads as it is. */
export interface InfluxSettings {
  /** `http(s)://host[:port][/path]`, no slash at its end. */
  readonly url: string;
  /** Of InfluxDB 2 the bucket. */
  readonly database: string;
  /** Of InfluxDB 1; `undefined`: the database's own. */
  readonly retentionPolicy?: string;
  /** Of InfluxDB 2. */
  readonly org?: string;
  /** `auto`: it is asked. */
  readonly version: "auto" | 1 | 2 | 3;
  /** Token, or user and password, still in `${…}` form. */
  readonly token?: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM file of the authority of its certificate; `undefined`: the system's. */
  readonly caFile?: string;
  /** What may wait on this disk while it cannot be written to, bytes. */
  readonly spoolBytes: number;
  /** Lines of one request at the most. */
  readonly batchLines: number;
  /** A request may wait so long for others to go with it, ms. */
  readonly batchDelayMs: number;
  /** Of one request, ms. */
  readonly timeoutMs: number;
}
