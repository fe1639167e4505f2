import { readFileSync } from "node:fs";
import { isNode, parseDocument } from "yaml";
import { YamlFile } from "./yamlFile.ts";

/**
 * The map at a key of a YAML file that can be read, as a file of its own: the rest is blank, so that lines and columns
 * are the same and what is wrong is told where it stands.
 */
export function inlineFile(path: string, name: string, key: string): YamlFile {
  const text = readFileSync(path, "utf8");
  const node = parseDocument(text).get(key, true);
  const [from, to] = isNode(node) && node.range ? node.range : [0, 0];
  const blank = (part: string) => part.replace(/[^\r\n]/g, " ");
  return YamlFile.parse(blank(text.slice(0, from)) + text.slice(from, to) + blank(text.slice(to)), name);
}
