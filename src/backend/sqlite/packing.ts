/**
 * Numbers in as few bytes as they need, to the bit. A first byte below 128 is the number itself; 128 + n: an integer of n
 * bytes follows, 136 + n: one below zero; 144: a double; 145: one that a float of four bytes holds. Lengths, counts and
 * ids are varints.
 */

const POSITIVE = 128;
const NEGATIVE = 136;
const DOUBLE = 144;
const FLOAT = 145;

export class Packer {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  clear(): void {
    this.length = 0;
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }

  byte(value: number): void {
    this.#room();
    this.#bytes[this.length++] = value;
  }

  /** A whole number from 0 on. */
  varint(value: number): void {
    this.#room();
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.length++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.length++] = rest;
  }

  /** Near to `base` it takes fewer bytes; it must be read with the same. */
  number(value: number, base = 0): void {
    this.#room();
    const from = Number.isSafeInteger(base) ? base : 0;
    const offset = value - from;
    // Minus zero is no integer here: its sign would be lost.
    if (Number.isSafeInteger(value) && Number.isSafeInteger(offset) && !Object.is(value, -0)) this.#integer(offset);
    else if (Math.fround(value) === value) {
      this.#bytes[this.length++] = FLOAT;
      this.#view.setFloat32(this.length, value, true);
      this.length += 4;
    } else {
      this.#bytes[this.length++] = DOUBLE;
      this.#view.setFloat64(this.length, value, true);
      this.length += 8;
    }
  }

  /** Takes back zeros at the end, down to a length. */
  trim(from: number): void {
    while (this.length > from && this.#bytes[this.length - 1] === 0) this.length--;
  }

  /** Writes a byte over an earlier one. */
  patch(at: number, value: number): void {
    this.#bytes[at] = value;
  }

  #integer(value: number): void {
    if (value >= 0 && value < POSITIVE) {
      this.#bytes[this.length++] = value;
      return;
    }
    const start = this.length++;
    let rest = Math.abs(value);
    for (; rest > 0; rest = Math.floor(rest / 256)) this.#bytes[this.length++] = rest % 256;
    this.#bytes[start] = (value < 0 ? NEGATIVE : POSITIVE) + this.length - start - 1;
  }

  /** For the longest of what one call writes. */
  #room(): void {
    if (this.length + 16 <= this.#bytes.length) return;
    const bytes = new Uint8Array(this.#bytes.length * 2);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

const FLOATS = new DataView(new ArrayBuffer(8));

/** By the first byte of a number, how many follow. */
const BYTES_AFTER = Uint8Array.from({ length: 256 }, (_, first) => {
  if (first === DOUBLE) return 8;
  if (first === FLOAT) return 4;
  return first < POSITIVE ? 0 : (first - POSITIVE) % 8;
});

/** Reads what a packer wrote; at the end of `bytes` numbers are 0. */
export class Unpacker {
  #bytes: Uint8Array;
  at = 0;
  #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  /** Begins anew with others. */
  reset(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.at = 0;
    this.#end = bytes.length;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#end;
  }

  /** What follows that place is not read. */
  until(end: number): void {
    this.#end = Math.min(end, this.#bytes.length);
  }

  byte(): number {
    return this.at < this.#end ? (this.#bytes[this.at++] ?? 0) : 0;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  number(base = 0): number {
    const first = this.byte();
    if (first === DOUBLE || first === FLOAT) return this.#float(first === DOUBLE ? 8 : 4);
    return (first < POSITIVE ? first : this.#integer(first)) + (Number.isSafeInteger(base) ? base : 0);
  }

  /** Passes over so many numbers. */
  skip(numbers: number): void {
    for (let n = 0; n < numbers; n++) this.at += 1 + (BYTES_AFTER[this.#bytes[this.at] ?? 0] ?? 0);
  }

  #integer(first: number): number {
    const count = first >= NEGATIVE ? first - NEGATIVE : first - POSITIVE;
    let value = 0;
    for (let n = 0, factor = 1; n < count; n++, factor *= 256) value += this.byte() * factor;
    return first >= NEGATIVE ? -value : value;
  }

  #float(count: 4 | 8): number {
    for (let n = 0; n < count; n++) FLOATS.setUint8(n, this.byte());
    return count === 8 ? FLOATS.getFloat64(0, true) : FLOATS.getFloat32(0, true);
  }
}
