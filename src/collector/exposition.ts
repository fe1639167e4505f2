/** Reads Prometheus's text format as it arrives: only the metrics that are wanted are looked at. */

/** Longest line that is read; a longer one is skipped. */
const MAX_LINE_BYTES = 64 * 1024;

/** Lines of a metric whose labels are remembered. */
const MAX_SERIES = 200_000;

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;
const HASH = 35;
const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const EQUALS = 61;
const OPEN = 123;
const CLOSE = 125;

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Gets each sample of a wanted metric. Labels are valid during the call only, but those of a steady metric: these are
 * one object for one text, as often as that can be told cheaply.
 */
export type OnSample<Metric> = (metric: Metric, labels: ReadonlyMap<string, string>, value: string) => void;

/** Labels of a line, and the bytes that they were read from. */
interface Series {
  readonly bytes: Buffer;
  readonly labels: ReadonlyMap<string, string>;
}

/** Lines that were none, or too long, and whether the text ended with a whole line. */
export interface ExpositionEnd {
  readonly skipped: number;
  readonly whole: boolean;
}

/**
 * `wanted` says what a metric's name stands for, `undefined`: nothing, and is asked once per run of lines of one metric.
 * Comments are skipped; timestamps are not read.
 */
export class ExpositionReader<Metric> {
  readonly #wanted: (name: string) => Metric | undefined;
  readonly #onSample: OnSample<Metric>;
  readonly #isSteady: (metric: Metric) => boolean;
  readonly #labels = new Map<string, string>();
  /** Beginning of a line whose end has not come yet. */
  #rest: Buffer = NOTHING;
  /** The line that is arriving is too long: all of it is skipped. */
  #overlong = false;
  /** Name of the line before, as bytes, and what it stands for. */
  #name: Buffer = NOTHING;
  #metric: Metric | undefined;
  /** Labels by their place among the lines of a steady metric: the next such metric has the same ones in the same order. */
  readonly #series: Series[] = [];
  #place = 0;
  #skipped = 0;

  /** `isSteady`: the metric has one line per row, in the same order as others of which that is said. */
  constructor(
    wanted: (name: string) => Metric | undefined,
    onSample: OnSample<Metric>,
    isSteady: (metric: Metric) => boolean = () => false,
  ) {
    this.#wanted = wanted;
    this.#onSample = onSample;
    this.#isSteady = isSteady;
  }

  push(bytes: Uint8Array): void {
    const fresh = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    let end = fresh.indexOf(LF);
    if (end >= 0 && (this.#overlong || this.#rest.length > 0)) {
      const line = Buffer.concat([this.#rest, fresh.subarray(0, end)]);
      if (!this.#overlong) this.#line(line, 0, line.length);
      this.#overlong = false;
      this.#rest = NOTHING;
      at = end + 1;
      end = fresh.indexOf(LF, at);
    }
    for (; end >= 0; end = fresh.indexOf(LF, at)) {
      this.#line(fresh, at, end);
      at = end + 1;
    }
    this.#keep(fresh.subarray(at));
  }

  end(): ExpositionEnd {
    const whole = this.#rest.length === 0 && !this.#overlong;
    return { skipped: this.#skipped, whole };
  }

  #keep(bytes: Buffer): void {
    if (this.#overlong || bytes.length === 0) return;
    if (this.#rest.length + bytes.length > MAX_LINE_BYTES) {
      this.#overlong = true;
      this.#skipped++;
      this.#rest = NOTHING;
      return;
    }
    // A copy: the chunk's memory may be used again.
    this.#rest = Buffer.concat([this.#rest, bytes]);
  }

  #line(line: Buffer, from: number, lineEnd: number): void {
    const end = lineEnd > from && line[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    const start = skipBlanks(line, from, end);
    if (start === end || line[start] === HASH) return;
    let nameEnd = start;
    while (nameEnd < end && !isBlank(line[nameEnd]) && line[nameEnd] !== OPEN) nameEnd++;
    if (this.#name.length !== nameEnd - start || this.#name.compare(line, start, nameEnd) !== 0) {
      this.#name = Buffer.from(line.subarray(start, nameEnd));
      this.#place = 0;
      this.#metric = this.#wanted(line.toString("latin1", start, nameEnd));
    }
    const metric = this.#metric;
    if (metric === undefined) return;
    const labelsAt = skipBlanks(line, nameEnd, end);
    if (line[labelsAt] !== OPEN) {
      this.#labels.clear();
      this.#give(metric, this.#labels, line, labelsAt, end);
      return;
    }
    if (!this.#isSteady(metric)) {
      this.#labels.clear();
      this.#give(metric, this.#labels, line, readLabels(line, labelsAt + 1, end, this.#labels), end);
      return;
    }
    const place = this.#place++;
    const known = this.#series[place];
    const knownEnd = labelsAt + (known?.bytes.length ?? 0);
    if (known && knownEnd <= end && known.bytes.compare(line, labelsAt, knownEnd) === 0) {
      this.#give(metric, known.labels, line, knownEnd, end);
      return;
    }
    const labels = new Map<string, string>();
    const afterLabels = readLabels(line, labelsAt + 1, end, labels);
    if (afterLabels > 0 && place < MAX_SERIES)
      this.#series[place] = { bytes: Buffer.from(line.subarray(labelsAt, afterLabels)), labels };
    this.#give(metric, labels, line, afterLabels, end);
  }

  /** Reads the value that stands at `from`; −1: the labels were broken. */
  #give(metric: Metric, labels: ReadonlyMap<string, string>, line: Buffer, from: number, end: number): void {
    const valueAt = skipBlanks(line, Math.max(0, from), end);
    let valueEnd = valueAt;
    while (valueEnd < end && !isBlank(line[valueEnd])) valueEnd++;
    if (from < 0 || valueEnd === valueAt) this.#skipped++;
    else this.#onSample(metric, labels, line.toString("latin1", valueAt, valueEnd));
  }
}

/** Reads labels up to and with the closing brace; returns where it goes on, −1 when that is missing. */
function readLabels(line: Buffer, from: number, end: number, labels: Map<string, string>): number {
  let at = from;
  for (;;) {
    at = skipBlanks(line, at, end);
    if (at >= end) return -1;
    if (line[at] === CLOSE) return at + 1;
    const nameAt = at;
    while (at < end && line[at] !== EQUALS && !isBlank(line[at])) at++;
    const name = line.toString("latin1", nameAt, at);
    at = skipBlanks(line, at, end);
    if (line[at] !== EQUALS) return -1;
    at = skipBlanks(line, at + 1, end);
    if (line[at] !== QUOTE) return -1;
    const valueAt = ++at;
    let escaped = false;
    while (at < end && line[at] !== QUOTE) {
      if (line[at] === BACKSLASH) {
        escaped = true;
        at++;
      }
      at++;
    }
    if (at >= end) return -1;
    const value = line.toString("latin1", valueAt, at);
    labels.set(name, escaped ? unescaped(value) : value);
    at = skipBlanks(line, at + 1, end);
    if (line[at] === COMMA) at++;
    else if (line[at] !== CLOSE) return -1;
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function skipBlanks(line: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && isBlank(line[at])) at++;
  return at;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_whole, char: string) => (char === "n" ? "\n" : char));
}
