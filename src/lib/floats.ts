/** Neighbours among the numbers that a double can be. */

const bits = new DataView(new ArrayBuffer(8));

/** The smallest number greater than `value`; of the greatest Infinity, of NaN NaN. Both zeros are one. */
export function nextUp(value: number): number {
  if (Number.isNaN(value) || value === Infinity) return value;
  if (value === 0) return Number.MIN_VALUE;
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + (value > 0 ? 1n : -1n));
  // What lies between the two zeros is one number.
  return bits.getFloat64(0) + 0;
}

/** The greatest number smaller than `value`. */
export function nextDown(value: number): number {
  return 0 - nextUp(0 - value);
}
