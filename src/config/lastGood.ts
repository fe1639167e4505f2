/**
 * Copies of the rule files that are in force, as they were written (rule R7): what the service goes on with when it
 * starts and finds one of them broken. They hold URLs, and are for its own eyes only.
 */

import { constants } from "node:fs";
import { chmod, mkdir, open, readdir, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** A copy that is being written. */
const UNFINISHED = ".tmp";

/** Where copies are kept. */
export interface Copies {
  /** Texts by name of the file; empty when there are none yet. What cannot be read is left out. */
  read(): Promise<ReadonlyMap<string, string>>;
  /** Resolves when the copy will be there whatever happens. */
  write(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
}

/** Copies in a folder of their own, made when the first is written. Only one process may write them. */
export function copiesIn(folder: string): Copies {
  return {
    async read() {
      const copies = new Map<string, string>();
      for (const name of await namesIn(folder)) {
        const text = await textOf(join(folder, name));
        if (text !== undefined) copies.set(name, text);
      }
      return copies;
    },
    async write(name, text) {
      const path = pathOf(folder, name);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await chmod(folder, 0o700);
      const unfinished = join(folder, UNFINISHED);
      await rm(unfinished, { force: true });
      {
        await using file = await open(unfinished, "wx", 0o600);
        await file.writeFile(text);
        await file.sync();
      }
      await rename(unfinished, path);
      await syncFolder(folder);
    },
    async remove(name) {
      await rm(pathOf(folder, name), { force: true });
      await syncFolder(folder);
    },
  };
}

/** Whether copies in that folder would overwrite the rule files themselves; `path` is the folder or file of these. */
export async function wouldOverwrite(path: string, folder: string): Promise<boolean> {
  const real = async (one: string) => realpath(one).catch(() => one);
  const [rules, copies] = [await real(path), await real(folder)];
  return rules === copies || (await real(dirname(path))) === copies;
}

/** A name is one of a folder's: it leads nowhere else. */
function pathOf(folder: string, name: string): string {
  const isName = name === basename(name) && !["", ".", "..", UNFINISHED].includes(name) && !name.includes("\0");
  if (!isName) throw new Error(`${JSON.stringify(name)} is no name of a file`);
  return join(folder, name);
}

/** Where the folder cannot be read, that is told when it is written. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => name !== UNFINISHED).sort();
  } catch {
    return [];
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    return (await file.stat()).isFile() ? await file.readFile("utf8") : undefined;
  } catch {
    return undefined;
  }
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync();
}
