/**
 * Runs inside the service and tells its parent each second how long its event loop was held. Two figures of each stretch
 * between two looks: how long it took, which a busy machine lengthens, and the CPU that the main thread used in it, which
 * it does not.
 */

/** One second of a process. */
export interface LoopSecond {
  /** Longest stretches between two looks, ms, the longest first. */
  readonly heldMs: readonly number[];
  /** Most CPU of the main thread between two looks, ms, the most first. */
  readonly busyMs: readonly number[];
  readonly rss: number;
  /** Heap and buffers of the main thread, bytes. */
  readonly heap: number;
  readonly buffers: number;
  /** CPU of all threads in that second, ms. */
  readonly cpuMs: number;
}

/**
 * For `--import`. A URL of its text: a module with types would bring what strips them into every thread of the service,
 * which takes more memory than is to be measured.
 */
export function loopWatch(): string {
  const text = `import { isMainThread } from "node:worker_threads"; if (isMainThread && process.send) (${watch})();`;
  return `data:text/javascript,${encodeURIComponent(text)}`;
}

/** Uses nothing from outside itself. */
function watch(): void {
  const lookMs = 1;
  const most = 20;
  const longest = (values: readonly number[]) => values.toSorted((a, b) => b - a).slice(0, most);
  let heldMs: number[] = [];
  let busyMs: number[] = [];
  let lookedAt = performance.now();
  let used = process.threadCpuUsage();
  let second = performance.now();
  let cpu = process.cpuUsage();
  const look = () => {
    const now = performance.now();
    const { user, system } = process.threadCpuUsage(used);
    heldMs.push(Math.max(0, now - lookedAt - lookMs));
    busyMs.push((user + system) / 1000);
    lookedAt = now;
    used = process.threadCpuUsage();
    if (now - second < 1000) return;
    const spent = process.cpuUsage(cpu);
    const { rss, heapTotal, external } = process.memoryUsage();
    const said: LoopSecond = {
      heldMs: longest(heldMs),
      busyMs: longest(busyMs),
      rss,
      heap: heapTotal,
      buffers: external,
      cpuMs: (spent.user + spent.system) / 1000,
    };
    process.send?.(said);
    [heldMs, busyMs, second, cpu] = [[], [], now, process.cpuUsage()];
  };
  setInterval(look, lookMs).unref();
  process.channel?.unref();
}
