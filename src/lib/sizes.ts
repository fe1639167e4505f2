const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/**
 * Bytes of a size: a whole number is bytes, text is `500MiB`, `1.5GiB`, `10 GB`. Rounded to whole bytes. `undefined`
 * when it is neither, negative, or above 2^53.
 */
export function parseSize(value: number | string): number | undefined {
  const [, amount, unit = "B"] = /^(\d+(?:\.\d+)?)\s*([kKMGT]?i?B)?$/.exec(String(value).trim()) ?? [];
  const bytes = Math.round(Number(amount) * ((Object.hasOwn(UNITS, unit) && UNITS[unit]) || Number.NaN));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
