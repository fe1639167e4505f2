/**
 * InfluxDB's line protocol. Names of clusters and rows are anybody's: in tags they have no quote, backslash, control
 * character or lone surrogate (these are percent-encoded), so that no name can end a tag, a line, or a text in a query.
 */

/** What a tag has none of, and the sign that stands for it. */
const UNSAFE = /[%\\"'\p{Cc}\u2028\u2029\p{Surrogate}]/gu;
/** In the place of an empty name: a tag cannot be empty. */
const EMPTY = "%-";

/** A name as tags hold it. No two names give one. */
export function tagOf(name: string): string {
  if (name === "") return EMPTY;
  return name.replace(UNSAFE, (sign) => {
    const code = sign.charCodeAt(0);
    return code < 256 ? `%${hex(code, 2)}` : `%u${hex(code, 4)}`;
  });
}

/** The name of a tag. */
export function nameOf(tag: string): string {
  if (tag === EMPTY) return "";
  return tag.replace(/%(?:u([0-9a-f]{4})|([0-9a-f]{2}))/g, (_, wide: string | undefined, narrow: string | undefined) =>
    String.fromCharCode(Number.parseInt(wide ?? narrow ?? "", 16)),
  );
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

/** `measurement,tag=value,…`: names of tags are ours, values anybody's. */
export function seriesKey(measurement: string, tags: readonly (readonly [tag: string, name: string])[]): string {
  return tags.reduce((key, [tag, name]) => `${key},${tag}=${tagOf(name).replace(/[, =]/g, "\\$&")}`, measurement);
}

/** A finite number, always as a float: a field keeps the type that it had first. */
export function numberField(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A text, in quotes. */
export function textField(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** Nanoseconds in a millisecond: what tells points of one label apart is below that. */
const BELOW = 1_000_000;

/**
 * A time: the label to the millisecond, and below it some of `number`, so that two ticks of one label, by a clock that was
 * set back, are two points. `at`: epoch ms, whole.
 */
export function timeOf(at: number, number: number): string {
  return String(BigInt(Math.trunc(at)) * BigInt(BELOW) + BigInt(Math.abs(Math.trunc(number)) % BELOW));
}

/** Longest text of one field, bytes: InfluxDB refuses 64 KiB. */
const MOST_TEXT = 60_000;

/** A value as JSON in ASCII, cut over as many fields as it needs: `doc`, `doc1`, … */
export function docFields(value: unknown): string {
  const json = JSON.stringify(value).replace(/[^\x20-\x7e]/g, (sign) => `\\u${hex(sign.charCodeAt(0), 4)}`);
  let fields = "";
  for (let n = 0; n * MOST_TEXT < json.length; n++) {
    const part = json.slice(n * MOST_TEXT, (n + 1) * MOST_TEXT);
    fields += `${n === 0 ? "" : ","}doc${n === 0 ? "" : n}=${textField(part)}`;
  }
  return fields;
}

/** What `docFields` was given. Throws where it is no JSON. `field`: by name; `undefined`: there is none. */
export function docFrom(field: (name: string) => unknown): unknown {
  let json = "";
  for (let n = 0; ; n++) {
    const part = field(n === 0 ? "doc" : `doc${n}`);
    if (typeof part !== "string") break;
    json += part;
  }
  return JSON.parse(json);
}
