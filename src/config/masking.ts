/** Source lines as diagnostics may show them: what looks like a secret is starred out, and every column stays where it was. */

/** Keys whose values are nobody's business. */
const KEY = "[\\w-]*(?:secret|password|passwd|authorization|token|api[_-]?key|cookie)[\\w-]*";
const SECRET_VALUE = new RegExp(`((?:^|[\\s{,"'])(?:${KEY})["']?\\s*:\\s+)(\\S.*)$`, "i");
/** The value of the line before stands on this one. */
const BEGUN = new RegExp(`(?:^|[\\s{,"'])(?:${KEY})["']?\\s*:\\s*(?:[>|][-+\\d]*)?\\s*$`, "i");
const PLACEHOLDER = /(\$\{(?:env|file):[^}]*\})/;

/** The line with its secrets starred out, of the same length. `before`: the line before it, if any. */
export function masked(line: string, before = ""): string {
  if (BEGUN.test(before)) return line.replace(/\S.*$/, stars);
  return line
    .replace(SECRET_VALUE, (_, key: string, value: string) => key + starsWithin(value))
    .replace(/(:\/\/)([^/?#\s"'@]+)(?=@)/g, (_, begin: string, user: string) => begin + stars(user))
    .replace(/(:\/\/[^?\s"']*\?)([^\s"']+)/g, (_, begin: string, query: string) => begin + maskedQuery(query))
    .replace(/(whsec_)([A-Za-z0-9+/=_-]+)/g, (_, begin: string, secret: string) => begin + stars(secret));
}

/** `a=1&b=2` with its values starred out; what has no name is a value. */
function maskedQuery(query: string): string {
  return query.replace(/(^|&)([^&=]*=)?([^&]*)/g, (_, and: string, name: string | undefined, value: string) => {
    return and + (name ?? "") + starsWithin(value);
  });
}

/** Quotes and brackets stay, so that the line can be read, and placeholders, which say nothing. */
function starsWithin(value: string): string {
  return value
    .split(PLACEHOLDER)
    .map((part) => (PLACEHOLDER.test(part) ? part : stars(part)))
    .join("");
}

function stars(text: string): string {
  return text.replace(/[^\s"'{}[\],]/g, "*");
}
