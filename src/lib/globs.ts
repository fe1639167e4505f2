/**
 * Whether `text` matches `pattern`, in which `*` stands for any run of characters and `?` for one.
 * Linear in practice and quadratic at worst: no regular expression, so no pattern can hang the caller.
 */
export function matchesGlob(text: string, pattern: string): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    const wanted = pattern[inPattern];
    if (wanted === "*") {
      star = inPattern++;
      resume = at;
    } else if (wanted === "?" || (wanted !== undefined && wanted === text[at])) {
      inPattern++;
      at++;
    } else if (star >= 0) {
      inPattern = star + 1;
      at = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[inPattern] === "*") inPattern++;
  return inPattern === pattern.length;
}

/** Whether the pattern can match more than one text. */
export function isGlob(pattern: string): boolean {
  return pattern.includes("*") || pattern.includes("?");
}
