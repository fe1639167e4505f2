/** Text of names and numbers, written as bytes: a string of many small pieces costs more than what it says. */

const ZERO = 48;

/** 1: a character of names, neither white space, `%`, `=` nor `|`, and ASCII. */
const PLAIN = Uint8Array.from({ length: 127 }, (_, code) =>
  code > 32 && !"%=|".includes(String.fromCharCode(code)) ? 1 : 0,
);

export class AsciiWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(4096);
  #at = 0;
  readonly #digits = new Uint8Array(16);

  begin(): void {
    this.#at = 0;
  }

  /** ASCII alone. */
  text(text: string): void {
    this.#makeRoom(text.length);
    const bytes = this.#bytes;
    const from = this.#at;
    for (let index = 0; index < text.length; index++) bytes[from + index] = text.charCodeAt(index);
    this.#at = from + text.length;
  }

  /**
   * A name, without white space and what has a meaning in the notations that are written with this: percent-encoded,
   * where it has such. HAProxy's own names never do; others' may.
   */
  name(name: string): void {
    this.#makeRoom(name.length);
    const bytes = this.#bytes;
    const from = this.#at;
    for (let index = 0; index < name.length; index++) {
      const code = name.charCodeAt(index);
      if (PLAIN[code] !== 1) {
        this.text(encodeURIComponent(name.toWellFormed()));
        return;
      }
      bytes[from + index] = code;
    }
    this.#at = from + name.length;
  }

  /** A whole number from 0 to 2^53. */
  number(value: number): void {
    this.#makeRoom(16);
    const digits = this.#digits;
    let rest = value;
    let at = digits.length;
    // Small ones, nearly all, without the slow arithmetic of the others.
    while (rest > 0x7fffffff) {
      const tenth = Math.floor(rest / 10);
      digits[--at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    let small = rest | 0;
    do {
      const tenth = (small / 10) | 0;
      digits[--at] = ZERO + (small - tenth * 10);
      small = tenth;
    } while (small > 0);
    const bytes = this.#bytes;
    let to = this.#at;
    for (; at < digits.length; at++) bytes[to++] = digits[at] ?? ZERO;
    this.#at = to;
  }

  /** What was written since `begin`. */
  end(): string {
    return this.#bytes.toString("latin1", 0, this.#at);
  }

  #makeRoom(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const wider = Buffer.allocUnsafe(2 * (this.#at + length));
    this.#bytes.copy(wider, 0, 0, this.#at);
    this.#bytes = wider;
  }
}
