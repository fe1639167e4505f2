/** A receiver's own body: a JSON tree in which `${field}` stands for a fact of the delivery. */

import { rfc3339 } from "../lib/clock.ts";
import { isList } from "../lib/lists.ts";
import type { PythonValue } from "../lib/python.ts";
import { PythonFloat, pythonJson } from "../lib/python.ts";
import type { Json } from "../model/alarm.ts";
import type { BodyField } from "../model/body.ts";
import { BODY_FIELDS } from "../model/body.ts";
import type { Dispatch, WebhookTarget } from "../ports.ts";
import { aodhFields } from "./aodhBody.ts";

type Fields = Readonly<Record<BodyField, PythonValue>>;

const FIELD = new RegExp(`\\$\\{(${BODY_FIELDS.join("|")})\\}`, "g");

/**
 * The tree as JSON. A string that is one field and nothing else becomes the fact with its type; within other text it is
 * put in as text, numbers as Python prints them. Keys are left alone, and so is what looks like a field but is none.
 * The tree is read once: what a name or a reason brings in is never looked through for fields. Secrets are: they are in
 * place by now, and as much the operator's own text as the tree. Throws when the tree is no map: Senlin overlooks bodies
 * that do not begin with `{`.
 */
export function customBody(tree: Json, dispatch: Dispatch, target: WebhookTarget): string {
  if (tree === null || typeof tree !== "object" || isList(tree)) throw new Error("its body is not a map");
  return JSON.stringify(filled(tree, fieldsOf(dispatch, target)), (_key, value: unknown) =>
    value instanceof PythonFloat ? value.value : value,
  );
}

function filled(tree: Json, fields: Fields): PythonValue {
  if (typeof tree === "string") return filledText(tree, fields);
  if (tree === null || typeof tree !== "object") return tree;
  if (isList(tree)) return tree.map((one) => filled(one, fields));
  // No assignment to members: one named `__proto__` is a member like any other.
  return Object.fromEntries(Object.entries(tree).map(([key, one]) => [key, filled(one, fields)]));
}

function filledText(text: string, fields: Fields): PythonValue {
  const only = BODY_FIELDS.find((field) => text === `\${${field}}`);
  if (only !== undefined) return fields[only];
  // A function, for in a replacement text `$&` and the like have a meaning.
  return text.replace(FIELD, (whole, name: string) => {
    const field = BODY_FIELDS.find((one) => one === name);
    return field === undefined ? whole : textOf(fields[field]);
  });
}

function textOf(value: PythonValue): string {
  return typeof value === "string" ? value : pythonJson(value);
}

function fieldsOf(dispatch: Dispatch, { clusterName }: WebhookTarget): Fields {
  const { clusterId, receiver, direction, transition, repeat, deliveryId, at, notification } = dispatch;
  const { reasonData, count = null } = notification;
  const value = reasonData.type === "threshold" ? reasonData.mostRecent : null;
  return {
    ...aodhFields(notification),
    cluster_id: clusterId,
    cluster_name: clusterName,
    receiver,
    direction,
    transition,
    repeat,
    delivery_id: deliveryId,
    at: rfc3339(at),
    value: value === null ? null : new PythonFloat(value),
    count,
  };
}
