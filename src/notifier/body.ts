/** What is posted: one body for each name that a receiver may give, or its own. */

import type { Dispatch, WebhookTarget } from "../ports.ts";
import { alertmanagerBody } from "./alertmanagerBody.ts";
import { aodhBody } from "./aodhBody.ts";
import { customBody } from "./customBody.ts";
import { tackerBody } from "./tackerBody.ts";

export interface Body {
  readonly bytes: Buffer;
  /** `undefined`: there is none, as there is no body. */
  readonly contentType: string | undefined;
}

/** The body of a delivery for a receiver. Throws an Error, without secrets in it, when it cannot be made. */
export function bodyOf(dispatch: Dispatch, target: WebhookTarget): Body {
  switch (target.body.kind) {
    case "aodh":
      return json(aodhBody(dispatch.notification));
    case "none":
      return { bytes: Buffer.alloc(0), contentType: undefined };
    case "alertmanager-v4":
      return json(Buffer.from(JSON.stringify(alertmanagerBody(dispatch, target))));
    case "tacker-v2":
      return json(Buffer.from(JSON.stringify(tackerBody(dispatch, target))));
    case "custom":
      return json(Buffer.from(customBody(target.body.tree, dispatch, target)));
  }
}

function json(bytes: Buffer): Body {
  return { bytes, contentType: "application/json" };
}
