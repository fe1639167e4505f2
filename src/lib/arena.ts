/**
 * Small arrays of numbers, cut from big buffers. A service with tens of thousands of clusters has hundreds of thousands
 * of them: a buffer of its own for each costs more memory than many hold, and scatters what is read together.
 * A buffer is freed when nothing that was cut from it is used any more.
 */

const BUFFER_BYTES = 1024 * 1024;
/** Arrays above this have a buffer of their own. */
const LARGEST_BYTES = BUFFER_BYTES / 16;

interface Rest {
  buffer: ArrayBuffer;
  used: number;
}

const floats: Rest = { buffer: new ArrayBuffer(0), used: 0 };
const bytes: Rest = { buffer: new ArrayBuffer(0), used: 0 };

function cut(rest: Rest, size: number): number {
  if (rest.used + size > rest.buffer.byteLength) {
    rest.buffer = new ArrayBuffer(BUFFER_BYTES);
    rest.used = 0;
  }
  rest.used += size;
  return rest.used - size;
}

/** So many numbers, each `fill`. */
export function createFloats(length: number, fill: number): Float64Array {
  const size = 8 * length;
  if (size > LARGEST_BYTES) return new Float64Array(length).fill(fill);
  const from = cut(floats, size);
  return new Float64Array(floats.buffer, from, length).fill(fill);
}

/** So many bytes, each 0. */
export function createBytes(length: number): Uint8Array {
  if (length > LARGEST_BYTES) return new Uint8Array(length);
  const from = cut(bytes, length);
  return new Uint8Array(bytes.buffer, from, length);
}
