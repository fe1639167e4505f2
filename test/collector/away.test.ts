import { rmSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { socketTransport } from "../../src/collector/ask.ts";
import { Source } from "../../src/collector/source.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { temporaryFolder, unixServer } from "../helpers/sockets.ts";

const ANSWER = "Version: 2.6.12\nPid: 7\nUptime_sec: 60\n\n# pxname,svname,type,\n\n";

describe("T4: a path is away only where its folder can be read", () => {
  const outcomeAt = async (socket: string, timeoutMs = 2000) => {
    const mapping = { clustersOf: () => ({ frontend: undefined, backend: undefined }), baselines: new Map() };
    const transport = socketTransport({ path: socket }, systemClock);
    const source = new Source({ name: "s", transport, intervalMs: 1000, timeoutMs, clock: systemClock, ...mapping });
    const { outcome } = (await source.scrape({ number: 1, at: 1 })).report;
    return outcome.ok ? "ok" : [outcome.code, outcome.away];
  };

  it("a socket that was removed is; what refuses, hangs or is no socket is not", async () => {
    using folder = temporaryFolder();
    const path = (name: string) => join(folder.path, name);
    {
      await using _server = await unixServer(path("s.sock"), (socket) => socket.once("data", () => socket.end(ANSWER)));
      expect(await outcomeAt(path("s.sock"))).toBe("ok");
    }
    expect(await outcomeAt(path("s.sock"))).toEqual(["absent", true]);
    await using _hanging = await unixServer(path("hanging.sock"), () => {});
    expect(await outcomeAt(path("hanging.sock"), 30)).toEqual(["timeout", undefined]);
    await writeFile(path("file"), "");
    expect(await outcomeAt(path("file"))).toEqual(["refused", undefined]);
  });

  it("one whose folder was removed with it is not", async () => {
    using folder = temporaryFolder();
    const inner = join(folder.path, "haproxy");
    await mkdir(inner);
    expect(await outcomeAt(join(inner, "s.sock"))).toEqual(["absent", true]);
    rmSync(inner, { recursive: true });
    expect(await outcomeAt(join(inner, "s.sock"))).toEqual(["absent", undefined]);
  });

  it("nor is one whose folder lets us through but may not be read", async () => {
    using folder = temporaryFolder();
    const inner = join(folder.path, "haproxy");
    await chmod(folder.path, 0o711);
    await mkdir(inner);
    await chmod(inner, 0o311);
    // Root may read everything: it asks as somebody else.
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    const outcome = await outcomeAt(join(inner, "s.sock")).finally(() => isRoot && process.seteuid?.(0));
    expect(outcome).toEqual(["absent", undefined]);
    await chmod(inner, 0o755);
    expect(await outcomeAt(join(inner, "s.sock"))).toEqual(["absent", true]);
  });
});
