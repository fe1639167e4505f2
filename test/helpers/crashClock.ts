import type { Clock } from "../../src/ports.ts";

/** How time runs for the services under test: all processes of a test agree on it. */
export interface Pace {
  /** Seconds of the service in one second. */
  readonly speed: number;
  /** Wall clock at which both were the same, epoch ms. */
  readonly epochMs: number;
}

/** The system's time, faster: a tick of one second takes a tenth of one. */
export function fastClock({ speed, epochMs }: Pace): Clock {
  const wallMs = () => performance.timeOrigin + performance.now();
  return {
    now: () => Math.floor(epochMs + (wallMs() - epochMs) * speed),
    monotonic: () => performance.now() * speed,
    after(delayMs, run) {
      const timer = setTimeout(run, Math.max(0, delayMs) / speed);
      return { cancel: () => clearTimeout(timer) };
    },
  };
}
