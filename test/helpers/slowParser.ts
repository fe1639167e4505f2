/** The obvious way to read HAProxy's statistics: slow, and easy to agree with. What the fast one must say, too. */

export interface SlowRow {
  readonly proxy: string;
  readonly server: string;
  readonly kind: "frontend" | "backend" | "server" | "listener";
  readonly cells: Readonly<Record<string, string>>;
}

export interface SlowDump {
  readonly rows: readonly SlowRow[];
  readonly skipped: number;
}

const KINDS = ["frontend", "backend", "server", "listener"] as const;

/** The rows of an answer that has a good header, facts of one process, and ends as it must; `undefined`: it is not one. */
export function slowParse(answer: string): SlowDump | undefined {
  const headerAt = answer.startsWith("# pxname,") ? 0 : answer.indexOf("\n# pxname,") + 1;
  const records = recordsOf(answer.slice(headerAt));
  if (!records) return undefined;
  const [header = [], ...lines] = records;
  const names = header.map((name, index) => (index === 0 ? name.replace("# ", "") : name).trim());
  const isEnded = lines.length >= 2 && lines.at(-1)?.length === 0 && lines.at(-2)?.length === 0;
  if (!isEnded) return undefined;
  const rows: SlowRow[] = [];
  const seen = new Set<string>();
  let skipped = 0;
  for (const cells of lines) {
    if (cells.length === 0) continue;
    const row = Object.fromEntries(names.map((name, index) => [name, cells[index] ?? ""]));
    const { pxname = "", svname = "", type = "" } = row;
    const kind = /^\d{1,20}$/.test(type) ? KINDS[Number(type)] : undefined;
    const key = JSON.stringify([pxname, svname, kind]);
    if (cells.length !== names.length || !kind || pxname === "" || svname === "" || seen.has(key)) {
      skipped++;
      continue;
    }
    seen.add(key);
    rows.push({ proxy: pxname, server: svname, kind, cells: row });
  }
  return { rows, skipped };
}

/** Digits of a number below 2^64, without zeros before them; empty: it is none. */
export function slowNumber(text: string): string {
  if (!/^[0-9]{1,20}$/.test(text)) return "";
  const value = BigInt(text);
  return value < 2n ** 64n ? String(value) : "";
}

/** Lines of fields, an empty line has none; `undefined`: a quote never ends. */
function recordsOf(text: string): string[][] | undefined {
  const records: string[][] = [];
  let record: string[] = [];
  let field = "";
  let isQuoted = false;
  let lineAt = 0;
  const endLine = (end: number) => {
    records.push(end === lineAt ? [] : [...record, field]);
    record = [];
    field = "";
    lineAt = end;
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"' && isQuoted && text[at + 1] === '"') {
      field += '"';
      at++;
    } else if (char === '"') isQuoted = !isQuoted;
    else if (isQuoted) field += char;
    else if (char === ",") {
      record.push(field);
      field = "";
    } else if (char === "\n") {
      const hasReturn = at > lineAt && text[at - 1] === "\r";
      if (hasReturn) field = field.slice(0, -1);
      endLine(hasReturn ? at - 1 : at);
      lineAt = at + 1;
    } else field += char;
  }
  endLine(text.length);
  return isQuoted ? undefined : records;
}
