/** Ids that are typed as tables show them: by their beginning. */

/** The beginning of an id, 8 hexadecimal digits at least, with or without the dots behind it; `undefined`: it is none. */
export function beginningIn(text: string): string | undefined {
  return /^([0-9a-f]{8}[0-9a-f-]*)…?$/i.exec(text)?.[1];
}
