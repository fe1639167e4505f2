/** Whether a value is the list among what it may be: `Array.isArray` knows of no readonly ones. */
export function isList<T>(value: T): value is Extract<T, readonly unknown[]> {
  return Array.isArray(value);
}
