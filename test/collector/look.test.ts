import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lookAtSources, SECOND_LOOK_MS } from "../../src/collector/look.ts";
import { createMapping } from "../../src/collector/mapping.ts";
import { pageUrl } from "../../src/collector/page.ts";
import { shownUrl } from "../../src/collector/shownUrl.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { SourceEntry } from "../../src/model/source.ts";
import { temporaryFolder, unixServer } from "../helpers/sockets.ts";

const DUMP = readFileSync(new URL("../fixtures/haproxy/octavia-amphora-a.txt", import.meta.url));
const INFO = "Name: HAProxy\nVersion: 2.6.12\nPid: 7\nUptime_sec: 60.5\n\n";

const mapping = createMapping({
  clusters: [{ clusterId: "web", rows: [{ kind: "frontend", pattern: "web*", source: undefined }] }],
  families: [],
  ignore: ["stats"],
  unmapped: "warn",
});

const socketEntry = (name: string, socket: string): SourceEntry => ({ name, kind: "socket", socket, quiet: false });

const lookAt = (entries: readonly SourceEntry[], secondLookMs?: number) =>
  lookAtSources(entries, {
    clock: systemClock,
    timeoutMs: 300,
    secretsOf: () => ({}),
    mapping,
    ...(secondLookMs === undefined ? {} : { secondLookMs }),
  });

describe("a look at every source", () => {
  it("shows each match of a glob, a glob without one, and what each failure suggests", async () => {
    using folder = temporaryFolder();
    const path = (name: string) => join(folder.path, name);
    await using _b = await unixServer(path("b.sock"), (socket) => socket.once("data", () => socket.end(DUMP)));
    await using _a = await unixServer(path("a.sock"), () => {});
    const looks = await lookAt([
      socketEntry("amphorae", path("*.sock")),
      socketEntry("none", path("*.nothing")),
      socketEntry("gone", path("gone")),
    ]);
    expect(looks.map(({ name, code, rows }) => [name, code, rows])).toEqual([
      [`amphorae:${path("a.sock")}`, "timeout", 0],
      [`amphorae:${path("b.sock")}`, "", expect.any(Number)],
      ["none", "absent", 0],
      ["gone", "absent", 0],
    ]);
    expect(looks[0]?.hints).toEqual([expect.stringContaining("`stats maxconn`")]);
    expect(looks[1]?.rows).toBeGreaterThan(5);
    expect(looks[1]?.process?.pid).toBeGreaterThan(0);
    expect(looks[2]?.reason).toContain("no socket matches");
  });

  it("says of every row where it goes, and by which rule", async () => {
    using folder = temporaryFolder();
    const rows = ["web1,FRONTEND,0,,", "web1,s1,2,,", "web1,BACKEND,1,,", "stats,FRONTEND,0,,", "broken"];
    const dump = `${INFO}# pxname,svname,type,scur,\n${rows.join("\n")}\n\n`;
    await using _server = await unixServer(join(folder.path, "s"), (socket) =>
      socket.once("data", () => socket.end(dump)),
    );
    const [look] = await lookAt([socketEntry("s", join(folder.path, "s"))]);
    expect(look).toMatchObject({ ok: true, version: "2.6.12", rows: 4, skipped: 1, hints: [] });
    const nobody = { clusterId: undefined, by: undefined };
    expect(look?.rowsByTarget).toEqual([
      {
        proxy: "web1",
        server: "FRONTEND",
        kind: "frontend",
        clusterId: "web",
        by: "web: frontend web*",
        ignored: false,
      },
      { proxy: "web1", server: "s1", kind: "server", ...nobody, ignored: false },
      { proxy: "web1", server: "BACKEND", kind: "backend", ...nobody, ignored: false },
      { proxy: "stats", server: "FRONTEND", kind: "frontend", ...nobody, ignored: true },
    ]);
  });

  it.each([
    { what: "sessions are held without a byte", second: 100, looks: 2, hints: 1 },
    { what: "bytes flow", second: 101, looks: 2, hints: 0 },
  ])("looks twice where sessions are open: $what", async ({ second, looks, hints }) => {
    using folder = temporaryFolder();
    let asked = 0;
    await using _server = await unixServer(join(folder.path, "s"), (socket) =>
      socket.once("data", () => {
        const bytes = asked++ === 0 ? 100 : second;
        const header = "# pxname,svname,type,scur,stot,bin,bout,\n";
        socket.end(`${INFO}${header}web1,FRONTEND,0,3,9,${bytes},7,\nother,FRONTEND,0,3,9,100,7,\n\n`);
      }),
    );
    const [look] = await lookAt([socketEntry("s", join(folder.path, "s"))], 10);
    expect(asked).toBe(looks);
    expect(look?.hints).toHaveLength(hints);
    if (hints > 0) expect(look?.hints[0]).toMatch(/^sessions stay open at web1 while/);
  });

  it("looks once where none are", async () => {
    using folder = temporaryFolder();
    let asked = 0;
    await using _server = await unixServer(join(folder.path, "s"), (socket) =>
      socket.once("data", () => {
        asked++;
        socket.end(`${INFO}# pxname,svname,type,scur,stot,bin,bout,\nweb1,FRONTEND,0,0,9,5,7,\n\n`);
      }),
    );
    await lookAt([socketEntry("s", join(folder.path, "s"))], SECOND_LOOK_MS);
    expect(asked).toBe(1);
  });
});

describe("addresses of pages", () => {
  it.each([
    ["http://h:1080", "http://h:1080/;csv"],
    ["http://h:1080/", "http://h:1080/;csv"],
    ["http://h/haproxy?stats", "http://h/haproxy?stats;csv"],
    ["http://h/haproxy?stats;csv", "http://h/haproxy?stats;csv"],
    ["http://h/;csv;norefresh", "http://h/;csv;norefresh"],
    ["http://h/stats", "http://h/stats;csv"],
    ["http://h/stats/", "http://h/stats/;csv"],
    ["http://h?stats", "http://h/?stats;csv"],
    ["https://h/a?b=/c#frag", "https://h/a?b=/c;csv"],
    ["http://[::1]:1080", "http://[::1]:1080/;csv"],
    ["http://h/x;csvx", "http://h/x;csvx;csv"],
  ])("%s is asked as %s", (url, asked) => {
    expect(pageUrl(url)).toBe(asked);
  });

  it.each([
    ["http://h:1080/;csv", "http://h:1080/;csv"],
    ["http://me:secret@h/x?token=abc&stats;key=d#frag", "http://h/x?token=…&stats;key=…"],
    ["http://h/haproxy?stats;csv", "http://h/haproxy?stats;csv"],
    ["no url", "(no URL)"],
  ])("%s is shown as %s", (url, shown) => {
    expect(shownUrl(url)).toBe(shown);
  });
});
