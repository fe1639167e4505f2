/** Longest address that is shown. */
const MAX_LENGTH = 200;

/**
 * A URL as people may see it: without user, password, fragment and the values of its query, which may be secrets; what
 * is no URL is not shown at all.
 */
export function shownUrl(url: string, base?: string): string {
  const whole = URL.parse(url, base);
  if (!whole) return "(no URL)";
  const query = whole.search.replaceAll(/=[^&;]*/g, "=…");
  return `${whole.protocol}//${whole.host}${whole.pathname}${query}`.slice(0, MAX_LENGTH);
}
