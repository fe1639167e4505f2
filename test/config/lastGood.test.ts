import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { copiesIn, wouldOverwrite } from "../../src/config/lastGood.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

// biome-ignore lint/suspicious/noTemplateCurlyInString: as rule files have it
const TEXT = 'url: "${env:SCALER}" # kept as it was written\n';

describe("copies of good rule files", () => {
  it("are what was written, for the service's own eyes only", async () => {
    using folder = temporaryFolder();
    const place = join(folder.path, "data", "rules");
    const copies = copiesIn(place);
    expect(await copies.read()).toEqual(new Map());
    await copies.write("web.yaml", "older");
    await copies.write("web.yaml", TEXT);
    await copies.write("ünd so.yml", "x");
    expect(await copiesIn(place).read()).toEqual(
      new Map([
        ["web.yaml", TEXT],
        ["ünd so.yml", "x"],
      ]),
    );
    expect(statSync(place).mode & 0o777).toBe(0o700);
    expect(statSync(join(place, "web.yaml")).mode & 0o777).toBe(0o600);
    await copies.remove("web.yaml");
    await copies.remove("never there.yaml");
    expect(readdirSync(place)).toEqual(["ünd so.yml"]);
  });

  it("one that was not finished is none, and is in nobody's way", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, ".tmp"), "half a fi", { mode: 0o644 });
    chmodSync(folder.path, 0o755);
    const copies = copiesIn(folder.path);
    expect(await copies.read()).toEqual(new Map());
    await copies.write("web.yaml", TEXT);
    expect(readdirSync(folder.path)).toEqual(["web.yaml"]);
    expect(statSync(join(folder.path, "web.yaml")).mode & 0o777).toBe(0o600);
    expect(statSync(folder.path).mode & 0o777).toBe(0o700);
  });

  it.each(["../web.yaml", "a/b.yaml", "..", ".", "", ".tmp", "/etc/x.yaml", "a\0.yaml"])(
    "a name cannot lead elsewhere: %j",
    async (name) => {
      using folder = temporaryFolder();
      const place = join(folder.path, "rules");
      mkdirSync(place);
      await expect(copiesIn(place).write(name, TEXT)).rejects.toThrow("is no name of a file");
      await expect(copiesIn(place).remove(name)).rejects.toThrow("is no name of a file");
      expect([readdirSync(folder.path), readdirSync(place)]).toEqual([["rules"], []]);
    },
  );

  it("a link in the folder is not followed, and is replaced", async () => {
    using folder = temporaryFolder();
    const secret = join(folder.path, "secret");
    writeFileSync(secret, "not a rule file");
    const place = join(folder.path, "rules");
    mkdirSync(join(place, "folder.yaml"), { recursive: true });
    symlinkSync(secret, join(place, "web.yaml"));
    const copies = copiesIn(place);
    expect(await copies.read()).toEqual(new Map());
    await copies.write("web.yaml", TEXT);
    expect(readFileSync(secret, "utf8")).toBe("not a rule file");
    expect(await copies.read()).toEqual(new Map([["web.yaml", TEXT]]));
  });

  it("are never written over the rule files themselves", async () => {
    using folder = temporaryFolder();
    const rules = join(folder.path, "rules");
    mkdirSync(rules);
    symlinkSync(rules, join(folder.path, "linked"));
    const web = join(rules, "web.yaml");
    writeFileSync(web, TEXT);
    const other = join(folder.path, "data", "rules");
    const found = [rules, join(folder.path, "linked"), web].map((path) => wouldOverwrite(path, rules));
    expect(await Promise.all(found)).toEqual([true, true, true]);
    expect(await Promise.all([rules, web].map((path) => wouldOverwrite(path, other)))).toEqual([false, false]);
  });
});
