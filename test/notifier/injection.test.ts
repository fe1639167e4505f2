// biome-ignore-all lint/suspicious/noTemplateCurlyInString: as rule files have it

/** Names, reasons, traits, labels and header values that want to be more than text stay text, on the wire. */

import { describe, expect, it } from "vitest";
import type { ReasonData } from "../../src/model/decision.ts";
import type { Dispatch, WebhookTarget } from "../../src/ports.ts";
import { aDispatch, aNotification, aTarget, sent } from "../helpers/posts.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";

const PAYLOADS: readonly string[] = [
  "\r\nx-evil: 1\r\n\r\nPOST /v1/evil HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n",
  "a\nb\r\tc",
  "a\0b",
  '"',
  '","count":99,"x":"',
  '"}, "count": 99, "z": {"y": "',
  '\\","count":99,"\\',
  "\u2028\u2029\u0085\ufeff",
  "😀 𝕏 é ü",
  "high \ud800 alone",
  "\udc00 low alone",
  "${env:HOME} ${file:/etc/passwd}",
  "${reason}${reason_data}${alarm_name}",
  "$& $` $' $1 $$",
  "__proto__",
  "constructor",
  "\u001b[31m\u007f\b\u0000",
  "%0d%0ax-evil:%201 {{7*7}} <%= 1 %>",
  "x".repeat(70_000),
  '\u2028"é\\'.repeat(10_000),
];

const PLAIN = "plain";

interface Place {
  readonly name: string;
  readonly dispatch?: (text: string) => Dispatch;
  readonly target?: (text: string) => Partial<WebhookTarget>;
  /** The body with the text in its places; absent: it is not there. */
  readonly body: (text: string) => object;
}

const notifying = (fields: Parameters<typeof aNotification>[0]) => aDispatch({ notification: aNotification(fields) });

const aodh = (fields: object) => ({
  alarm_name: "busy",
  alarm_id: "21ba09aa-8aa0-5e15-9296-664b0087de34",
  severity: "low",
  previous: "ok",
  current: "alarm",
  reason: "because",
  reason_data: { type: "threshold", disposition: "outside", count: 1, most_recent: 8 },
  ...fields,
});

const alertmanager = (labels: object, reason = "because") => {
  const all = {
    alertname: "busy",
    alarm_id: "21ba09aa-8aa0-5e15-9296-664b0087de34",
    cluster_id: "web",
    cluster_name: "shop",
    severity: "low",
    ...labels,
  };
  const summary = { summary: reason };
  return {
    version: "4",
    groupKey: `{}/{alarm_id="${all.alarm_id}"}:{alertname=${JSON.stringify(all.alertname)}}`,
    truncatedAlerts: 0,
    status: "firing",
    receiver: "r",
    groupLabels: { alertname: all.alertname },
    commonLabels: { ...all, state: "alarm" },
    commonAnnotations: summary,
    externalURL: "",
    alerts: [
      {
        status: "firing",
        labels: { ...all, state: "alarm" },
        annotations: summary,
        startsAt: "2026-11-21T00:53:20.000Z",
        endsAt: "0001-01-01T00:00:00Z",
        generatorURL: "",
        fingerprint: "0",
      },
    ],
  };
};

const eventOf = (text: string): ReasonData => ({
  type: "event",
  event: { event_type: text, traits: [[text, 1, text]], raw: Object.fromEntries([[text, text]]) },
});

const PLACES: readonly Place[] = [
  {
    name: "alarm name",
    dispatch: (alarmName) => notifying({ alarmName }),
    body: (alarm_name) => aodh({ alarm_name }),
  },
  {
    name: "reason",
    dispatch: (reason) => notifying({ reason, count: 1 }),
    body: (reason) => aodh({ reason, count: 1 }),
  },
  {
    name: "event type, trait and member",
    dispatch: (text) => notifying({ reasonData: eventOf(text) }),
    body: (text) => aodh({ reason_data: eventOf(text) }),
  },
  {
    name: "server",
    dispatch: (server) =>
      notifying({ reasonData: { type: "threshold", disposition: "outside", count: 1, mostRecent: 8, server } }),
    body: (server) =>
      aodh({ reason_data: { type: "threshold", disposition: "outside", count: 1, most_recent: 8, server } }),
  },
  {
    name: "alarm name, alertmanager-v4",
    dispatch: (alarmName) => notifying({ alarmName }),
    target: () => ({ body: { kind: "alertmanager-v4" } }),
    body: (alertname) => alertmanager({ alertname }),
  },
  {
    name: "reason, alertmanager-v4",
    dispatch: (reason) => notifying({ reason }),
    target: () => ({ body: { kind: "alertmanager-v4" } }),
    body: (reason) => alertmanager({}, reason),
  },
  {
    name: "cluster name, custom",
    target: (clusterName) => ({
      clusterName,
      body: { kind: "custom", tree: { one: "${cluster_name}", more: ["<${cluster_name}> ${transition}"] } },
    }),
    body: (text) => ({ one: text, more: [`<${text}> 3`] }),
  },
  {
    name: "alarm name, reason and data, custom",
    dispatch: (text) => notifying({ alarmName: text, reason: text, reasonData: eventOf(text) }),
    target: () => ({
      body: {
        kind: "custom",
        tree: { a: { b: "${alarm_name}: ${reason} (${alarm_name})" }, data: "${reason_data}", id: "${alarm_id}" },
      },
    }),
    body: (text) => ({
      a: { b: `${text}: ${text} (${text})` },
      data: eventOf(text),
      id: "21ba09aa-8aa0-5e15-9296-664b0087de34",
    }),
  },
  {
    name: "label and its name, tacker-v2",
    target: (text) => ({
      body: { kind: "tacker-v2" },
      labels: Object.fromEntries([
        ["aspect_id", text],
        [text, text],
      ]),
    }),
    body: (text) => ({
      alerts: [
        {
          status: "firing",
          labels: {
            receiver_type: "tacker",
            function_type: "auto_scale",
            aspect_id: text,
            ...Object.fromEntries([[text, text]]),
            auto_scale_type: "SCALE_OUT",
          },
          annotations: {},
          startsAt: "2026-11-21T00:53:20.000Z",
          fingerprint: "0",
        },
      ],
    }),
  },
  { name: "header", target: (text) => ({ headers: { "x-note": text } }), body: () => aodh({}) },
];

/** Header names of an attempt, in their order. */
const HEADERS = [
  "host",
  "content-type",
  "accept",
  "user-agent",
  "x-openstack-request-id",
  "webhook-id",
  "webhook-timestamp",
  "connection",
  "content-length",
];

/** What may stand in a header (RFC 9110 section 5.5), a byte for each character. */
const FIT_FOR_HEADER = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What is wrong with all that came over one connection; `undefined`: it is one request and says what it should. */
function leakIn(raw: string, expected: object, note?: string): string | undefined {
  const end = raw.indexOf("\r\n\r\n");
  const [requestLine, ...lines] = raw.slice(0, end).split("\r\n");
  const body = raw.slice(end + 4);
  const names = lines.map((line) => line.slice(0, line.indexOf(":")).toLowerCase()).sort();
  const headerOf = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const wanted = [...HEADERS, ...(note === undefined ? [] : ["x-note"])].sort();
  if (requestLine !== "POST /hook?V=2 HTTP/1.1") return `request line ${requestLine}`;
  if (names.join() !== wanted.join()) return `headers ${names}`;
  if (note !== undefined && headerOf("x-note") !== note) return "another header value";
  if (headerOf("content-length") !== String(body.length)) return "bytes beyond the body, or too few";
  const text = Buffer.from(body, "latin1").toString();
  const print = /"fingerprint":"[0-9a-f]{16}"/;
  const read = JSON.stringify(JSON.parse(text.replace(print, '"fingerprint":"0"')));
  if (read !== JSON.stringify(expected)) return `body ${read.slice(0, 200)}`;
  // A member that comes twice is not seen by a reader of JSON: all strings and marks are counted.
  const marks = (json: string) => json.replace(/"(?:[^"\\]|\\.)*"/g, '"').replace(/[^"{}[\]:,]/g, "");
  return marks(text) === marks(JSON.stringify(expected)) ? undefined : "members that come twice";
}

describe("injection", () => {
  it("each payload is one request of the same shape, and no header carries what is not fit for one", async () => {
    const wires: string[] = [];
    await using receiver = await rawReceiver(answerOf(202), (socket) => {
      const index = wires.push("") - 1;
      socket.on("data", (chunk) => {
        wires[index] = `${wires[index]}${chunk}`;
      });
    });
    const url = `http://127.0.0.1:${receiver.port}/hook?V=2`;
    const leaks: string[] = [];
    let payloads = 0;
    let refused = 0;
    for (const place of PLACES) {
      for (const [index, payload] of [PLAIN, ...PAYLOADS].entries()) {
        const before = wires.length;
        const target = aTarget(url, place.target?.(payload));
        const outcome = await sent(target, place.dispatch?.(payload) ?? aDispatch());
        const note = target.headers["x-note"];
        const where = `${place.name}, payload ${index}`;
        if (payload !== PLAIN) payloads++;
        if (note !== undefined && !FIT_FOR_HEADER.test(note)) {
          refused++;
          if (outcome.outcome !== "rejected" || wires.slice(before).join("") !== "")
            leaks.push(`${where}: ${outcome.outcome}`);
          continue;
        }
        const leak =
          wires.length === before + 1 ? leakIn(wires[before]!, place.body(payload), note) : "not one connection";
        if (outcome.outcome !== "accepted") leaks.push(`${where}: ${outcome.outcome}, ${outcome.reason}`);
        else if (leak !== undefined) leaks.push(`${where}: ${leak}`);
      }
    }
    console.log(`injection payloads=${payloads} leaked=${leaks.length} headers_refused=${refused}`);
    expect(leaks).toEqual([]);
    expect(payloads).toBe(200);
    expect(refused).toBeGreaterThanOrEqual(8);
  });

  it("a hostile header value is rejected without being shown", async () => {
    await using receiver = await rawReceiver(answerOf(202));
    const headers = { authorization: "Bearer planted-secret\r\nx-evil: 1" };
    const outcome = await sent(aTarget(`http://127.0.0.1:${receiver.port}/`, { headers }));
    expect(outcome.outcome).toBe("rejected");
    expect(JSON.stringify(outcome)).not.toContain("planted-secret");
    expect(receiver.received).toEqual([]);
  });

  it.each([
    { name: "a header's name with a line break", headers: { "x-a\r\nx-evil": "1" } },
    { name: "chunks", headers: { "transfer-encoding": "chunked" } },
    { name: "an upgrade", headers: { upgrade: "h2c" } },
  ])("$name: rejected without a byte", async ({ headers }) => {
    await using receiver = await rawReceiver(answerOf(202));
    const outcome = await sent(aTarget(`http://127.0.0.1:${receiver.port}/`, { headers }));
    expect(outcome.outcome).toBe("rejected");
    expect(receiver.received).toEqual([]);
  });

  describe("what would be a leak is seen", () => {
    const body = JSON.stringify(aodh({}));
    const lines = HEADERS.map((name) => `${name}: ${name === "content-length" ? body.length : 1}\r\n`).join("");
    const request = `POST /hook?V=2 HTTP/1.1\r\n${lines}\r\n${body}`;
    const longer = (by: string) =>
      request.replace(`: ${body.length}`, `: ${body.length + by.length}`).replace('{"alarm_name', `{${by}"alarm_name`);

    it.each([
      { name: "none", raw: request, leak: undefined },
      { name: "a header more", raw: request.replace("\r\n\r\n", "\r\nx-evil: 1\r\n\r\n"), leak: /^headers/ },
      { name: "another request", raw: `${request}POST / HTTP/1.1\r\n\r\n`, leak: /^bytes beyond/ },
      { name: "a member more", raw: longer('"count":99,'), leak: /^body/ },
      { name: "a member twice", raw: longer('"alarm_name":"busy",'), leak: /come twice/ },
      { name: "another target", raw: request.replace("/hook", "/evil"), leak: /^request line/ },
    ])("$name", ({ raw, leak }) => {
      if (leak === undefined) expect(leakIn(raw, aodh({}))).toBeUndefined();
      else expect(leakIn(raw, aodh({}))).toMatch(leak);
    });
  });
});
