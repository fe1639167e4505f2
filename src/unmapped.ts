/** Proxies of no cluster, as lines of YAML that are ready to be pasted. */

export interface Stray {
  readonly source: string;
  readonly proxy: string;
  readonly rows: readonly ("frontend" | "backend")[];
}

const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const POOL_OF_LISTENER = new RegExp(`^(${UUID}):(${UUID})$`, "i");
const ID = new RegExp(`^${UUID}$`, "i");

/** Lines of `haproxy:`, under the source that has them first; what names of OpenStack's load balancers mean stands beside. */
export function patternsFor(strays: readonly Stray[]): readonly string[] {
  const sources = new Set(strays.map(({ source }) => source));
  const seen = new Set<string>();
  return [...sources].flatMap((source) => {
    const own = strays.filter((stray) => stray.source === source).map(patternOf);
    const lines = own.flatMap(([pattern, meaning]) => {
      if (seen.has(pattern)) return [];
      seen.add(pattern);
      return [meaning === "" ? pattern : `${pattern} # ${meaning}`];
    });
    return sources.size > 1 && lines.length > 0 ? [`# ${source}`, ...lines] : lines;
  });
}

function patternOf({ proxy, rows }: Stray): readonly [pattern: string, meaning: string] {
  const [, pool, listener] = POOL_OF_LISTENER.exec(proxy) ?? [];
  // The pool alone: it has a backend for each listener that it is used by.
  if (pool !== undefined) return [`- backend: ${pool}*`, `pool of listener ${listener}`];
  const kind = rows.length > 1 ? "proxy" : (rows[0] ?? "proxy");
  const meaning = { proxy: "", frontend: "listener", backend: "pool" }[kind];
  return [`- ${kind}: ${plain(proxy)}`, ID.test(proxy) ? meaning : ""];
}

/** As it is, where YAML reads it as text. */
function plain(proxy: string): string {
  const isText = /^[A-Za-z_][\w.-]*$/.test(proxy) && !/^(true|false|null)$/i.test(proxy);
  return isText || ID.test(proxy) ? proxy : JSON.stringify(proxy);
}

/** How services are named in set-ups of OpenStack: what stands before is the service. The longer goes first. */
const ENDINGS = ["_external_front", "_cluster", "_front", "_back"];

/** Lines of `families:` where several names follow one custom. */
export function familiesFor(strays: readonly Stray[]): readonly string[] {
  const endings = strays.map(({ proxy }) =>
    ENDINGS.find((ending) => proxy.length > ending.length && proxy.endsWith(ending)),
  );
  if (endings.filter((ending) => ending !== undefined).length < 2) return [];
  return ENDINGS.filter((ending) => endings.includes(ending)).map(
    (ending) => `- {proxy: "{service}${ending}", cluster_id: "{service}"}`,
  );
}
