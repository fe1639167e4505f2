/** Templates of names: text with `{placeholders}`, each of which stands for one character or more, and with globs' `*` and `?`. */

/** A part of a template: text as it is, `*`, `?`, or a placeholder. */
export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "any" | "one" }
  | { readonly kind: "placeholder"; readonly name: string };

/** Parts of a template in order; `undefined`: a brace that belongs to no `{name}` of letters, digits and underscores. */
export function parseTemplate(template: string): readonly TemplatePart[] | undefined {
  const pieces = template.match(/\{[a-zA-Z_]\w*\}|[*?]|[^*?{}]+|[{}]/g) ?? [];
  if (pieces.some((piece) => piece === "{" || piece === "}")) return undefined;
  return pieces.map((piece): TemplatePart => {
    if (piece.startsWith("{")) return { kind: "placeholder", name: piece.slice(1, -1) };
    if (piece === "*") return { kind: "any" };
    return piece === "?" ? { kind: "one" } : { kind: "text", text: piece };
  });
}

/** Names of the placeholders, in the order in which they stand. */
export function placeholdersOf(parts: readonly TemplatePart[]): readonly string[] {
  return parts.flatMap((part) => (part.kind === "placeholder" ? [part.name] : []));
}

/** No proxy is called by a longer name: a text that is longer fits nothing. */
const LONGEST = 1024;

/**
 * What the placeholders stand for in a text; `undefined`: it does not fit, or is longer than 1,024 characters. Where
 * several readings fit, the first placeholder takes as little as it can, then the second.
 *
 * What has a fixed length is looked for from left to right, and the first place where it is will do: if the rest of the
 * template fits after a later one, what may be of any length makes it fit after the first, too.
 */
export function matchTemplate(parts: readonly TemplatePart[], text: string): ReadonlyMap<string, string> | undefined {
  if (text.length > LONGEST) return undefined;
  const values = new Map<string, string>();
  let at = 0;
  let index = 0;
  while (index < parts.length) {
    const open = runOf(parts, index, isOpen);
    const fixed = runOf(parts, index + open.length, (part) => !isOpen(part));
    index += open.length + fixed.length;
    const least = at + open.filter(({ kind }) => kind === "placeholder").length;
    const place = placeOf(fixed, text, least, { isOpen: open.length > 0, isLast: index === parts.length });
    if (place === undefined) return undefined;
    // All but the last take what they must.
    for (const [each, part] of open.entries()) {
      const from = at;
      at = each === open.length - 1 ? place : part.kind === "placeholder" ? at + 1 : at;
      // Of two of one name it is the first that is meant.
      if (part.kind === "placeholder" && !values.has(part.name)) values.set(part.name, text.slice(from, at));
    }
    at = place + lengthOf(fixed);
  }
  return at === text.length ? values : undefined;
}

/** It may take as much as it likes. */
function isOpen({ kind }: TemplatePart): boolean {
  return kind === "any" || kind === "placeholder";
}

function runOf(
  parts: readonly TemplatePart[],
  from: number,
  belongs: (part: TemplatePart) => boolean,
): readonly TemplatePart[] {
  const rest = parts.slice(from);
  const end = rest.findIndex((part) => !belongs(part));
  return end < 0 ? rest : rest.slice(0, end);
}

function lengthOf(fixed: readonly TemplatePart[]): number {
  return fixed.reduce((sum, part) => sum + (part.kind === "text" ? part.text.length : 1), 0);
}

/** Where a run of fixed length is: at `least` or, behind what is open, the first place after it, or the text's end. */
function placeOf(
  fixed: readonly TemplatePart[],
  text: string,
  least: number,
  { isOpen: mayMove, isLast }: { readonly isOpen: boolean; readonly isLast: boolean },
): number | undefined {
  const most = text.length - lengthOf(fixed);
  const from = mayMove && isLast ? Math.max(least, most) : least;
  const to = mayMove ? most : Math.min(least, most);
  for (let place = from; place <= to; place++) if (isAt(fixed, text, place)) return place;
  return undefined;
}

function isAt(fixed: readonly TemplatePart[], text: string, place: number): boolean {
  let at = place;
  return fixed.every((part) => {
    const from = at;
    at += part.kind === "text" ? part.text.length : 1;
    return part.kind !== "text" || text.startsWith(part.text, from);
  });
}

/** The text that a template makes of values; a placeholder without one stays as it is written. */
export function fillTemplate(parts: readonly TemplatePart[], values: ReadonlyMap<string, string>): string {
  return parts
    .map((part) => {
      if (part.kind === "text") return part.text;
      if (part.kind === "placeholder") return values.get(part.name) ?? `{${part.name}}`;
      return part.kind === "any" ? "*" : "?";
    })
    .join("");
}
