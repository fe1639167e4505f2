/** A YAML file with positions: parsed strictly, checked against a schema, every mistake with its place. */

import { readFileSync } from "node:fs";
import type { Document, Node, Pair } from "yaml";
import { isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { messageOf } from "../lib/errors.ts";
import type { Diagnostic } from "./diagnostics.ts";
import type { Path, Words } from "./explain.ts";
import { explainIssue } from "./explain.ts";
import { masked, stars } from "./masking.ts";

export type { Path } from "./explain.ts";

/** Larger files are refused before they are parsed. */
const MAX_BYTES = 1024 * 1024;

function tooLarge(bytes: number): string | undefined {
  return bytes > MAX_BYTES ? `the file has ${bytes} bytes, more than ${MAX_BYTES}` : undefined;
}

/** A place in a file that diagnostics can point at. */
export class YamlFile {
  /** As shown to people. */
  readonly name: string;
  readonly #text: string;
  /** The text as excerpts show it: without what may be a secret by a name that nobody knows. */
  #shown: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  #root: unknown;
  readonly diagnostics: Diagnostic[] = [];

  private constructor(name: string, text: string) {
    this.name = name;
    this.#text = text;
    this.#shown = text;
    this.#document = parseDocument(text, {
      version: "1.2",
      lineCounter: this.#lines,
      uniqueKeys: true,
      prettyErrors: false,
    });
  }

  /** Reads and parses; what is wrong is in `diagnostics`. */
  static read(path: string, name: string): YamlFile {
    let text = "";
    let problem: string | undefined;
    try {
      const bytes = readFileSync(path);
      problem = tooLarge(bytes.length);
      if (problem === undefined) text = bytes.toString("utf8");
    } catch (error) {
      problem = `cannot read the file: ${messageOf(error)}`;
    }
    return YamlFile.#from(text, name, problem);
  }

  /** Reads text that is not, or no longer, in a file of that name. */
  static parse(text: string, name: string): YamlFile {
    return YamlFile.#from(Buffer.byteLength(text) > MAX_BYTES ? "" : text, name, tooLarge(Buffer.byteLength(text)));
  }

  static #from(text: string, name: string, problem: string | undefined): YamlFile {
    const file = new YamlFile(name, text);
    if (problem !== undefined) file.#add(0, 0, "E105", problem, undefined, "error");
    for (const error of file.#document.errors) {
      const [from, to] = error.pos;
      file.#add(from, to - from, "E101", withoutText(error.message), undefined, "error");
    }
    return file;
  }

  /** As it was written, `${…}` unresolved; empty when it could not be read. */
  get text(): string {
    return this.#text;
  }

  /** Nothing but comments and space. */
  get isEmpty(): boolean {
    return this.#document.contents === null;
  }

  /** The file's value by a schema: `check` of the whole. */
  validate<T>(schema: z.ZodType<T>, words: Words = {}): T | undefined {
    if (this.diagnostics.length > 0) return undefined;
    try {
      this.#root = this.#document.toJS({ maxAliasCount: 50 });
      if (holdsItself(this.#root)) throw new Error("an alias stands inside the very node that it names");
    } catch (error) {
      this.#add(0, 0, "E101", withoutText(messageOf(error)), undefined, "error");
      return undefined;
    }
    return this.check([], this.#root, schema, words);
  }

  /** The file as plain data, as `validate` found it; `undefined` before, and when it could not be read. */
  get root(): unknown {
    return this.#root;
  }

  /**
   * A part of the file, found at `path`, by a schema; `undefined` when it has errors. All of the schema's
   * complaints are told, each at the value or key it is about.
   */
  check<T>(path: Path, value: unknown, schema: z.ZodType<T>, words: Words = {}): T | undefined {
    const parsed = schema.safeParse(value, { reportInput: true });
    if (parsed.success) return parsed.data;
    const complaints = parsed.error.issues.flatMap((issue) => explainIssue(issue, path, this.#root, schema, words));
    // First of all, as others may stand on the same line.
    for (const one of complaints) if (one.isPrivate) this.#hide(one.path);
    for (const one of complaints) {
      const span = one.at === "key" ? this.#keySpan(one.path) : this.#spanOf(one.path);
      this.#add(...span, one.code, one.message, one.hint, "error");
    }
    this.sort();
    return undefined;
  }

  /** Puts the diagnostics into the order of the file. */
  sort(): void {
    this.diagnostics.sort((a, b) => a.line - b.line || a.column - b.column);
  }

  /** Adds an error at the value of a path. */
  error(path: Path, code: string, message: string, hint?: string): void {
    const [from, length] = this.#spanOf(path);
    this.#add(from, length, code, message, hint, "error");
  }

  /** Adds a warning at the value of a path. */
  warn(path: Path, code: string, message: string, hint?: string): void {
    const [from, length] = this.#spanOf(path);
    this.#add(from, length, code, message, hint, "warning");
  }

  /** Stars out the value of a path in excerpts. */
  #hide(path: Path): void {
    const node = this.#document.getIn(path, true);
    if (!isNode(node) || !node.range) return;
    const [from, to] = node.range;
    this.#shown = this.#shown.slice(0, from) + stars(this.#shown.slice(from, to)) + this.#shown.slice(to);
  }

  #keySpan(path: Path): [from: number, length: number] {
    const parent = this.#document.getIn(path.slice(0, -1), true);
    if (isMap(parent)) {
      const pair = (parent.items as Pair[]).find(({ key }) => isScalar(key) && key.value === path.at(-1));
      if (pair && isNode(pair.key) && pair.key.range) return [pair.key.range[0], pair.key.range[1] - pair.key.range[0]];
    }
    return this.#spanOf(path.slice(0, -1));
  }

  /** The value at a path, or the nearest value around it. */
  #spanOf(path: Path): [from: number, length: number] {
    for (let depth = path.length; depth >= 0; depth--) {
      const node =
        depth === 0 ? this.#document.contents : (this.#document.getIn(path.slice(0, depth), true) as Node | undefined);
      if (isNode(node) && node.range) {
        const [from, to] = node.range;
        return [from, isScalar(node) ? to - from : 1];
      }
    }
    return [0, 0];
  }

  #add(
    from: number,
    length: number,
    code: string,
    message: string,
    hint: string | undefined,
    severity: Diagnostic["severity"],
  ): void {
    const { line, col } = this.#text === "" ? { line: 1, col: 1 } : this.#lines.linePos(from);
    const lines = this.#shown.split(/\r?\n/);
    const excerpt = [line - 1, line]
      .filter((n) => n >= 1 && n <= lines.length && this.#text !== "")
      .map((n) => ({ line: n, text: masked(lines[n - 1] ?? "", lines[n - 2]) }));
    const room = Math.max(1, (lines[line - 1] ?? "").length - col + 1);
    this.diagnostics.push({
      file: this.name,
      line,
      column: col,
      length: Math.min(length, room),
      severity,
      code,
      message,
      hint,
      excerpt,
    });
  }
}

/** The parser's word without the text of the file that some quote, mostly at their end: it is nobody's business. */
function withoutText(message: string): string {
  return message
    .replace(/(?<=\S): .*$/s, "")
    .replace(/^(Verbatim tags aren't resolved).*$/s, "$1")
    .replace(/^The .* (tag has no suffix)$/s, "A $1")
    .replace(/^(Invalid escape sequence \\.).*$/s, "$1")
    .replace(/\s+/g, " ");
}

/** An alias may name a node around it: what comes of that has no end. */
function holdsItself(value: unknown, around: ReadonlySet<unknown> = new Set()): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (around.has(value)) return true;
  const within = new Set(around).add(value);
  return Object.values(value).some((one) => holdsItself(one, within));
}
