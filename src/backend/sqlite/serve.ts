import { parentPort } from "node:worker_threads";
import { messageOf } from "../../lib/errors.ts";
import { damageIn } from "./sums.ts";
import type { Call, Reply } from "./worker.ts";

type Methods = Readonly<Record<string, (...args: never[]) => unknown>>;

/**
 * Serves calls in a worker. `open` runs with the first of them, and with what that was given, so that a database that
 * cannot be opened is that call's error and not the thread's end. `onDamage`: a later call has met damaged data.
 */
export function serve<Given extends readonly unknown[]>(
  open: (...given: Given) => Methods,
  onDamage: () => void,
): void {
  let methods: Methods | undefined;
  parentPort?.on("message", ({ id, method, args }: Call) => {
    let reply: Reply;
    try {
      // What was never opened has nothing to close, and must not be opened for it.
      if (method === "close" && !methods) {
        parentPort?.postMessage({ id, ok: true, value: undefined } satisfies Reply);
        return;
      }
      methods ??= open(...(args as unknown as Given));
      const run = methods[method];
      if (!run) throw new Error(`no method ${method}`);
      reply = { id, ok: true, value: run(...(args as never[])) };
    } catch (thrown) {
      const damage = methods && damageIn(thrown);
      if (damage) onDamage();
      const error = damage ?? thrown;
      const { code } = error as { code?: unknown };
      reply = {
        id,
        ok: false,
        code: typeof code === "string" && /^E\d/.test(code) ? code : undefined,
        message: messageOf(error),
      };
    }
    parentPort?.postMessage(reply);
  });
}
