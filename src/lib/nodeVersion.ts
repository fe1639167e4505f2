/** Oldest Node that has what the program needs (`node:sqlite` without a flag or warning). */
const LEAST = [24, 15] as const;

/** One sentence when this Node is too old, `undefined` when it is not. Imports nothing: it runs before all else. */
export function nodeTooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])) return undefined;
  return `tocsin needs Node ${LEAST.join(".")} or newer, and this is ${version}: install a newer one, or run it from a checkout, which brings its own.`;
}
