/** What is too long for a table: cut so that it can still be told apart. Whole it is in `-o json`. */

/** UUIDs by their first part: a table of them whole is wider than any terminal. */
export function shortIds(text: string): string {
  return text.replace(/\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "$1…");
}

/** Without its middle where it is longer than `most` characters: beginning and end tell more of a path. */
export function shortMiddle(text: string, most: number): string {
  const characters = [...text];
  if (characters.length <= most) return text;
  const end = Math.ceil((most - 1) / 2);
  return `${characters.slice(0, most - 1 - end).join("")}…${characters.slice(-end).join("")}`.replace(/…+/g, "…");
}

/** An instant of RFC 3339 in UTC by its time alone, with its date where that is not today's. `now`: RFC 3339, too. */
export function shortTime(at: string, now: string): string {
  const [day = "", time = ""] = [at.slice(0, 10), at.slice(11, 19)];
  return day === now.slice(0, 10) ? time : `${day} ${time}`;
}
