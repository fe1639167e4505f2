/**
 * Whether `text` matches `pattern`, in which `*` stands for any run of characters and `?` for one.
 * Linear in practice and quadratic at worst: no regular expression, so no pattern can hang the caller.
 */
export function matchesGlob(text: string, pattern: string): boolean {
  return matches(text, pattern, "");
}

/** Whether the pattern can match more than one text. */
export function isGlob(pattern: string): boolean {
  return pattern.includes("*") || pattern.includes("?");
}

/** What every text that the pattern matches begins with: all of a pattern that is no glob. */
export function literalPrefix(pattern: string): string {
  const end = pattern.search(/[*?]/);
  return end < 0 ? pattern : pattern.slice(0, end);
}

/**
 * Whether `outer` surely matches whatever `inner` does. Never true by mistake; it may miss a cover that only comes of
 * several runs together.
 */
export function coversGlob(outer: string, inner: string): boolean {
  return matches(inRuns(inner), inRuns(outer), "*");
}

/** Whether some text matches both patterns. In time of their lengths multiplied at worst. */
export function globsMeet(a: string, b: string): boolean {
  // meets[j]: the rest of `a` from i on and the rest of `b` from j on have a common text.
  let meets: readonly boolean[] = Array.from({ length: b.length + 1 }, (_, j) => isEmptyable(b, j));
  for (let i = a.length - 1; i >= 0; i--) {
    const next: boolean[] = [];
    for (let j = b.length; j >= 0; j--) next[j] = meetsAt(a[i], b[j], meets[j], meets[j + 1], next[j + 1]);
    meets = next;
  }
  return meets[0] === true;
}

/** Whether the rests from two places on meet, by whether those after a's character do, after both, and after b's. */
function meetsAt(
  inA: string | undefined,
  inB: string | undefined,
  afterA = false,
  afterBoth = false,
  afterB = false,
): boolean {
  if (inA === "*" || inB === "*") return afterA || afterB;
  return inB !== undefined && (inA === inB || inA === "?" || inB === "?") && afterBoth;
}

function isEmptyable(pattern: string, from: number): boolean {
  for (let at = from; at < pattern.length; at++) if (pattern[at] !== "*") return false;
  return true;
}

/** Runs of wildcards in one spelling: `*?*` as `?*`. */
function inRuns(pattern: string): string {
  return pattern.replace(/[*?]*\*[*?]*/g, (run) => `${run.replaceAll("*", "")}*`);
}

/** `unmatched`: a character of the text that only a run matches. */
function matches(text: string, pattern: string, unmatched: string): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    const wanted = pattern[inPattern];
    if (wanted === "*") {
      star = inPattern++;
      resume = at;
    } else if (wanted !== undefined && (wanted === "?" ? text[at] !== unmatched : wanted === text[at])) {
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
