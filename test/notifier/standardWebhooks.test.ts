/** Signatures against the reference library of Standard Webhooks: it takes ours, and we make its own. */

import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import type { BodyTemplate } from "../../src/model/body.ts";
import { signature } from "../../src/notifier/signature.ts";
import { aDispatch, aNotification, aTarget, sent } from "../helpers/posts.ts";
import type { Received } from "../helpers/receiver.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";

const secretOf = (key: Uint8Array) => `whsec_${Buffer.from(key).toString("base64")}`;
const SECRET = secretOf(Buffer.alloc(32, "a key "));
const OTHER = secretOf(Buffer.alloc(32, "another"));

/** What one signed request looks like to its receiver. */
async function received(body: BodyTemplate): Promise<Received> {
  await using receiver = await rawReceiver(answerOf(202));
  const target = aTarget(`http://127.0.0.1:${receiver.port}/`, { body, signSecret: SECRET });
  const dispatch = aDispatch({ notification: aNotification({ reason: "é 😀 \u2028", alarmName: "näme" }) });
  expect(await sent(target, dispatch)).toMatchObject({ outcome: "accepted" });
  const [one] = receiver.received;
  if (!one) throw new Error("nothing was received");
  return one;
}

const bytesOf = ({ body }: Received) => Buffer.from(body, "latin1");
const BODIES: readonly BodyTemplate[] = [
  { kind: "aodh" },
  { kind: "alertmanager-v4" },
  { kind: "tacker-v2" },
  { kind: "none" },
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as rule files have it
  { kind: "custom", tree: { name: "${alarm_name}", all: "${reason} ${reason_data}" } },
];

describe("what is sent", () => {
  it.each(BODIES)("$kind: the library takes it, and nothing that differs from it", async (template) => {
    const request = await received(template);
    const { headers } = request;
    const bytes = bytesOf(request);
    const library = new Webhook(SECRET);
    expect(library.verify(bytes, headers)).toEqual(bytes.length === 0 ? undefined : JSON.parse(bytes.toString()));

    expect(() => library.verify(Buffer.concat([bytes, Buffer.from(" ")]), headers)).toThrow("No matching signature");
    const flipped = Buffer.from(bytes.length === 0 ? "x" : bytes);
    flipped.writeUInt8(flipped.readUInt8(0) ^ 1, 0);
    expect(() => library.verify(flipped, headers)).toThrow("No matching signature");
    expect(() => new Webhook(OTHER).verify(bytes, headers)).toThrow("No matching signature");
    expect(() => library.verify(bytes, { ...headers, "webhook-id": "msg_other" })).toThrow("No matching signature");
    const later = String(Number(headers["webhook-timestamp"]) + 1);
    expect(() => library.verify(bytes, { ...headers, "webhook-timestamp": later })).toThrow("No matching signature");
    const { "webhook-signature": _none, ...unsigned } = headers;
    expect(() => library.verify(bytes, unsigned)).toThrow("Missing required headers");
  });

  it("a signature of long ago is good, and too old", async () => {
    const request = await received({ kind: "aodh" });
    const id = request.headers["webhook-id"] ?? "";
    const signedAt = (timestampS: number) => ({
      "webhook-id": id,
      "webhook-timestamp": String(timestampS),
      "webhook-signature": signature(SECRET, { id, timestampS }, bytesOf(request)),
    });
    const library = new Webhook(SECRET);
    const nowS = Math.floor(systemClock.now() / 1000);
    expect(library.verify(bytesOf(request), signedAt(nowS))).toHaveProperty("alarm_name", "näme");
    expect(() => library.verify(bytesOf(request), signedAt(nowS - 600))).toThrow("too old");
    expect(() => library.verify(bytesOf(request), signedAt(nowS + 600))).toThrow("too new");
  });
});

describe("any body and secret", () => {
  it("both sign alike, and the library takes ours", () => {
    const runs = process.env.TOCSIN_TEST_FULL ? 20_000 : 500;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const key = fc.uint8Array({ minLength: 24, maxLength: 64 });
    const body = fc.string({ unit: "binary", maxLength: 300 });
    const nowS = Math.floor(systemClock.now() / 1000);
    const property = fc.property(
      key,
      fc.uuid(),
      body,
      fc.integer({ min: -200, max: 200 }),
      (bytes, uuid, text, off) => {
        const id = `msg_${uuid}`;
        const timestampS = nowS + off;
        const payload = Buffer.from(text);
        const library = new Webhook(secretOf(bytes));
        const ours = signature(secretOf(bytes), { id, timestampS }, payload);
        expect(ours).toBe(library.sign(id, new Date(timestampS * 1000), payload));
        const headers = { "webhook-id": id, "webhook-timestamp": String(timestampS), "webhook-signature": ours };
        library.verify(payload, headers, { jsonParse: false });
        const tampered = Buffer.concat([payload, Buffer.from("\n")]);
        expect(() => library.verify(tampered, headers, { jsonParse: false })).toThrow("No matching signature");
      },
    );
    fc.assert(property, { numRuns: runs, seed });
    console.log(`signatures=${runs} seed=${seed} differ=0 refused=0 tampered_taken=0`);
  }, 300_000);
});
