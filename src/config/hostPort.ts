import { z } from "zod";

/** `host:port`, with IPv6 hosts in brackets. `example`: one that fits, for the message; `leastPort`: 0 means any free one. */
export function hostPort(example: string, leastPort = 0): z.ZodType<{ readonly host: string; readonly port: number }> {
  return z.string().transform((value, context) => {
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/@]+)):(\d{1,5})$/.exec(value);
    const port = Number(match?.[3]);
    const host = match?.[1] ?? match?.[2];
    if (host !== undefined && port >= leastPort && port <= 65_535) return { host, port };
    context.addIssue({
      code: "custom",
      message: `expected host:port such as ${example}, not ${JSON.stringify(value)}`,
    });
    return z.NEVER;
  });
}
