/** Text of others at a terminal: names, reasons and answers may hold anything. */

/** Control characters but the line feed, and marks that turn the direction of what is shown. */
const UNPRINTABLE = /[^\P{Cc}\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Text that changes nothing at a terminal but what it shows: `\u001b` for an escape, also within JSON. Lines stay lines. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The same for text that is one line, whatever is in it. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", "\\n");
}
