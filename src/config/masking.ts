/** Source lines as diagnostics may show them: what looks like a secret is starred out, and every column stays where it was. */

/** Keys whose values are nobody's business. */
const KEY = "[\\w-]*(?:secret|password|passwd|authorization|token|api[_-]?key|cookie)[\\w-]*|x-[\\w-]+";
const SECRET_VALUE = new RegExp(`((?:^|[\\s{,"'])(?:${KEY})["']?\\s*:\\s*)(\\S.*)$`, "i");
/** The value of the line before stands on this one. */
const BEGUN = new RegExp(`(?:^|[\\s{,"'])(?:${KEY})["']?\\s*:\\s*(?:[>|][-+\\d]*)?\\s*$`, "i");
const PLACEHOLDER = /(\$\{(?:env|file):[^}]*\})/;
/** No word of a person's, wherever it stands; an id may be told. */
const RANDOM = /(?<![a-z0-9-])(?<!id["']?\s*:\s*["']?)(?=[a-z0-9-]*[a-z])(?=(?:[a-z-]*\d){4})[a-z0-9-]{16,}/gi;
/** Words of a path are short, and those with digits in them shorter: what is longer is a credential. */
const CREDENTIAL = /[^/\s"'{}[\],]{12,}|(?=[^/\s"'{}[\],]*\d)[^/\s"'{}[\],]{6,}/g;

/** The line with its secrets starred out, of the same length. `before`: the line before it, if any. */
export function masked(line: string, before = ""): string {
  if (BEGUN.test(before)) return line.replace(/\S.*$/, stars);
  const shown = line
    .replace(SECRET_VALUE, (_, key: string, value: string) => key + starsWithin(value))
    .replace(/(:\/\/)([^\s"']+)(?=@)/g, (_, begin: string, user: string) => begin + starsWithin(user))
    .replace(/(:\/\/(?:\$\{[^}]*\}|[^/?\s"'])*)(\/[^?\s"']*)/g, (_, begin: string, path: string) => {
      return begin + outsidePlaceholders(path, (part) => part.replace(CREDENTIAL, stars));
    })
    .replace(/(:\/\/[^?\s"']*\?)([^\s"']+)/g, (_, begin: string, query: string) => begin + maskedQuery(query))
    .replace(/(whsec_)([A-Za-z0-9+/=_-]+)/g, (_, begin: string, secret: string) => begin + stars(secret));
  return outsidePlaceholders(shown, (part) => part.replace(RANDOM, stars));
}

/** A word of the file as messages quote it: where a value got into it, for want of a space, that is left out. */
export function quoted(word: string): string {
  const shown = /^[^:=]*[:=]?/.exec(word)?.[0] ?? "";
  const short = shown.slice(0, MOST_QUOTED);
  return short === word ? word : `${short}…`;
}

const MOST_QUOTED = 255;

/** `a=1&b=2` with its values starred out; what has no name is a value. */
function maskedQuery(query: string): string {
  return query.replace(/(^|&)([^&=]*=)?([^&]*)/g, (_, and: string, name: string | undefined, value: string) => {
    return and + (name ?? "") + starsWithin(value);
  });
}

/** Quotes and brackets stay, so that the line can be read, and placeholders, which say nothing. */
function starsWithin(value: string): string {
  return outsidePlaceholders(value, stars);
}

function outsidePlaceholders(text: string, change: (part: string) => string): string {
  return text
    .split(PLACEHOLDER)
    .map((part) => (PLACEHOLDER.test(part) ? part : change(part)))
    .join("");
}

/** A star for each character of the text, but for space, quotes and brackets. */
export function stars(text: string): string {
  return text.replace(/[^\s"'{}[\],]/g, "*");
}
