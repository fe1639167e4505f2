/**
 * Maps that are values: changed by making another. For what is empty nearly always, of which there are many: all
 * share one empty map.
 */

const NOTHING: ReadonlyMap<unknown, unknown> = new Map();

/** The one empty map. */
export function noEntries<K, V>(): ReadonlyMap<K, V> {
  return NOTHING as ReadonlyMap<K, V>;
}

export function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value);
}

export function withoutEntry<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  if (!map.has(key)) return map;
  if (map.size === 1) return noEntries();
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
