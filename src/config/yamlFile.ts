/** A YAML file with positions: parsed strictly, checked against a schema, every mistake with its place. */

import { readFileSync } from "node:fs";
import type { Document, Node, Pair } from "yaml";
import { isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { closest } from "../lib/closest.ts";
import { messageOf } from "../lib/errors.ts";
import type { Diagnostic } from "./diagnostics.ts";

/** Larger files are refused before they are parsed. */
const MAX_BYTES = 1024 * 1024;
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

export type Path = readonly PropertyKey[];

/** A place in a file that diagnostics can point at. */
export class YamlFile {
  /** As shown to people. */
  readonly name: string;
  readonly #text: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  readonly diagnostics: Diagnostic[] = [];

  private constructor(name: string, text: string) {
    this.name = name;
    this.#text = text;
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
      if (bytes.length > MAX_BYTES) problem = `the file has ${bytes.length} bytes, more than ${MAX_BYTES}`;
      else text = bytes.toString("utf8");
    } catch (error) {
      problem = `cannot read the file: ${messageOf(error)}`;
    }
    const file = new YamlFile(name, text);
    if (problem !== undefined) file.#add(0, 0, "E105", problem, undefined, "error");
    for (const error of file.#document.errors) {
      file.#add(
        error.pos[0],
        error.pos[1] - error.pos[0],
        "E101",
        error.message.replace(/\s+/g, " "),
        undefined,
        "error",
      );
    }
    return file;
  }

  /** Nothing but comments and space. */
  get isEmpty(): boolean {
    return this.#document.contents === null;
  }

  /**
   * The file's value by a schema; `undefined` when it has errors. All of a schema's complaints are told, each at
   * the value or key it is about. `later` are words that other versions know.
   */
  validate<T>(schema: z.ZodType<T>, later: ReadonlySet<string> = new Set()): T | undefined {
    if (this.diagnostics.length > 0) return undefined;
    let value: unknown;
    try {
      value = this.#document.toJS({ maxAliasCount: 50 });
    } catch (error) {
      this.#add(0, 0, "E101", messageOf(error), undefined, "error");
      return undefined;
    }
    const parsed = schema.safeParse(value, { reportInput: true });
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) this.#explain(issue, value, schema, later);
    this.diagnostics.sort((a, b) => a.line - b.line || a.column - b.column);
    return undefined;
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

  #explain(issue: z.core.$ZodIssue, root: unknown, schema: z.ZodType, later: ReadonlySet<string>): void {
    const at = describe(issue.path, root);
    switch (issue.code) {
      case "unrecognized_keys":
        for (const key of issue.keys)
          this.#unknownKey([...issue.path, key], key, keysAt(schema, issue.path), at, later);
        return;
      case "invalid_type": {
        if (issue.input === undefined) {
          const key = String(issue.path.at(-1) ?? "");
          this.error(
            issue.path.slice(0, -1),
            "E104",
            `${key} is missing${describe(issue.path.slice(0, -1), root)}`,
            `add "${key}:"`,
          );
          return;
        }
        this.error(issue.path, "E103", `${fieldOf(issue.path)} must be ${article(issue.expected)}${at}`);
        return;
      }
      case "invalid_value": {
        const values = issue.values.map(String);
        if (issue.input === undefined) {
          const key = String(issue.path.at(-1) ?? "");
          this.error(
            issue.path.slice(0, -1),
            "E104",
            `${key} is missing${at}`,
            `add "${key}:", one of ${values.join(", ")}`,
          );
          return;
        }
        const near = closest(String(issue.input), values);
        const hint = near === undefined ? undefined : `did you mean "${near}"?`;
        this.error(
          issue.path,
          "E103",
          `${fieldOf(issue.path)} must be ${values.length > 1 ? "one of " : ""}${values.join(", ")}${at}`,
          hint,
        );
        return;
      }
      case "invalid_key":
        this.error(issue.path, "E103", `${fieldOf(issue.path)}: ${issue.issues[0]?.message ?? issue.message}${at}`);
        return;
      default:
        this.error(issue.path, "E103", `${fieldOf(issue.path)}: ${issue.message}${at}`);
    }
  }

  #unknownKey(path: Path, key: string, known: readonly string[], at: string, later: ReadonlySet<string>): void {
    const span = this.#keySpan(path);
    if (FORBIDDEN_KEYS.has(key)) {
      this.#add(...span, "E102", `the key "${key}" is never allowed${at}`, undefined, "error");
    } else if (later.has(key)) {
      this.#add(...span, "E106", `"${key}" is not supported by this version${at}`, "remove it", "error");
    } else {
      const near = closest(key, known);
      const hint = near === undefined ? "remove it" : `did you mean "${near}"?`;
      this.#add(...span, "E102", `unknown key "${key}"${at}`, hint, "error");
    }
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
    const lines = this.#text.split(/\r?\n/);
    const excerpt = [line - 1, line]
      .filter((n) => n >= 1 && n <= lines.length && this.#text !== "")
      .map((n) => ({ line: n, text: lines[n - 1] ?? "" }));
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

function fieldOf(path: Path): string {
  const field = path.findLast((part) => typeof part === "string");
  return field === undefined ? "the file" : `"${String(field)}"`;
}

function article(expected: string): string {
  if (expected === "object" || expected === "record") return "a map";
  if (expected === "array") return "a list";
  return `a ${expected}`;
}

/** ` in alarm "busy"`: the named thing that a path lies in. */
function describe(path: Path, root: unknown): string {
  const [section, index] = path;
  if (section === "alarms" && typeof index === "number") {
    const name = (root as { alarms?: { name?: unknown }[] }).alarms?.[index]?.name;
    return ` in alarm ${typeof name === "string" ? `"${name}"` : index + 1}`;
  }
  if (section === "receivers" && typeof index === "string") return ` in receiver "${index}"`;
  return "";
}

interface Def {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
}

/** Keys that a schema knows at a path. */
function keysAt(schema: z.ZodType, path: Path): readonly string[] {
  const def = schema._zod.def as unknown as Def;
  const wrapped = def.innerType ?? def.in;
  if (wrapped) return keysAt(wrapped, path);
  const [head, ...rest] = path;
  if (head === undefined) return Object.keys(def.shape ?? {});
  const next = def.shape?.[String(head)] ?? def.element ?? def.valueType;
  return next ? keysAt(next, rest) : [];
}
