/** Answers of engines that came over the bus: what is depended on here is looked at, the rest is passed on as it is. */

type Read<T> = (said: unknown) => { readonly value: T } | undefined;

/** Most rows of a list. */
const MOST_ROWS = 1_000_000;

/** A list of objects that have those members, as text. */
export function listOf<T>(...texts: readonly (keyof T & string)[]): Read<readonly T[]> {
  return (said) =>
    Array.isArray(said) && said.length <= MOST_ROWS && said.every((row) => hasTexts(row, texts))
      ? { value: said as T[] }
      : undefined;
}

/** An object that has those members as text, and those as lists of objects that are each of a cluster. */
export function objectOf<T>(texts: readonly (keyof T & string)[], lists: readonly (keyof T & string)[] = []): Read<T> {
  return (said) =>
    hasTexts(said, texts) && lists.every((name) => isObject(said) && listOf<OfCluster>("cluster_id")(said[name]))
      ? { value: said as T }
      : undefined;
}

/** The same, or nothing. */
export function maybe<T>(read: Read<T>): Read<T | undefined> {
  return (said) => (said === undefined || said === null ? { value: undefined } : read(said));
}

export const texts: Read<readonly string[]> = (said) =>
  Array.isArray(said) && said.length <= MOST_ROWS && said.every((one) => typeof one === "string")
    ? { value: said }
    : undefined;

export const count: Read<number> = (said) =>
  typeof said === "number" && Number.isSafeInteger(said) && said >= 0 ? { value: said } : undefined;

/** Numbers of partitions; nothing where it does not say. */
export const partitions: Read<readonly number[] | undefined> = (said) => {
  if (said === null) return { value: undefined };
  return Array.isArray(said) && said.every((one) => Number.isSafeInteger(one)) ? { value: said } : undefined;
};

/** Nothing is said: it is done. */
export const done: Read<void> = () => ({ value: undefined });

type OfCluster = { readonly cluster_id: string };

function hasTexts(said: unknown, names: readonly string[]): boolean {
  return isObject(said) && names.every((name) => typeof said[name] === "string");
}

function isObject(said: unknown): said is Readonly<Record<string, unknown>> {
  return typeof said === "object" && said !== null && !Array.isArray(said);
}
