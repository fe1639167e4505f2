/** What is wrong in a file, where, and how to mend it. */

export interface Diagnostic {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Characters to underline. */
  readonly length: number;
  readonly severity: "error" | "warning";
  /** Stable, documented in `docs/errors.md`. */
  readonly code: string;
  readonly message: string;
  /** How to mend it. */
  readonly hint: string | undefined;
  /** The line itself and the one before, with secrets neither resolved nor shown. */
  readonly excerpt: readonly { readonly line: number; readonly text: string }[];
}

/** A diagnostic as a person reads it: place, text, source line with a caret where there is an excerpt. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, severity, code, message, hint, length, excerpt } = diagnostic;
  const width = String(line).length + 2;
  const source = excerpt.map(
    ({ line: number, text }) => `${number === line ? " >" : "  "} ${String(number).padStart(width - 2)} | ${text}`,
  );
  const caret = `${" ".repeat(width + 1)} | ${" ".repeat(column - 1)}${"^".repeat(Math.max(1, length))}${hint ? `  ${hint}` : ""}`;
  return [
    `${file}:${line}:${column}  ${severity}  ${code}  ${message}`,
    ...(excerpt.length > 0 ? [...source, caret] : hint ? [`  ${hint}`] : []),
  ].join("\n");
}

/** `2 errors, 1 warning in 3 files`. */
export function summarize(diagnostics: readonly Diagnostic[], files: number): string {
  const errors = diagnostics.filter(({ severity }) => severity === "error").length;
  const warnings = diagnostics.length - errors;
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`;
  return `${count(errors, "error")}, ${count(warnings, "warning")} in ${count(files, "file")}`;
}
