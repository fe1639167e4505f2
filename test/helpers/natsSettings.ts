/** Settings of a bus on servers of a test: they are small, and a bound of bytes is room that a server sets aside. */

import type { NatsSettings } from "../../src/config/busSettings.ts";

/** As `tocsin.yaml` would make them, but without bounds of bytes. `servers`: their URLs. */
export function natsSettings(servers: readonly string[], more: Partial<NatsSettings> = {}): NatsSettings {
  return {
    servers,
    prefix: "tocsin",
    partitions: 1,
    replicas: 1,
    heartbeatMs: 500,
    ttlMs: 2000,
    samplesAgeS: 600,
    samplesBytes: 0,
    logAgeS: 7 * 86_400,
    logBytes: 0,
    ...more,
  };
}
