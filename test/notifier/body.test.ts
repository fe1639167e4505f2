// biome-ignore-all lint/suspicious/noTemplateCurlyInString: as rule files have it

import { describe, expect, it } from "vitest";
import type { Json, State } from "../../src/model/alarm.ts";
import type { BodyTemplate } from "../../src/model/body.ts";
import { BODY_FIELDS } from "../../src/model/body.ts";
import { bodyOf } from "../../src/notifier/body.ts";
import type { Dispatch, WebhookTarget } from "../../src/ports.ts";
import { aDispatch, aNotification, aTarget, sent } from "../helpers/posts.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";

const text = (kind: BodyTemplate, dispatch: Dispatch = aDispatch(), fields: Partial<WebhookTarget> = {}) =>
  bodyOf(dispatch, aTarget("http://127.0.0.1/", { body: kind, ...fields })).bytes.toString();
const AT = "2026-11-21T00:53:20.000Z";

describe("aodh", () => {
  const seven =
    '{"alarm_name": "busy", "alarm_id": "21ba09aa-8aa0-5e15-9296-664b0087de34", "severity": "low", "previous": "ok", ' +
    '"current": "alarm", "reason": "because", "reason_data": {"type": "threshold", "disposition": "outside", ' +
    '"count": 1, "most_recent": 8.0}';

  it("seven keys, and a count after them where the action is proportional", () => {
    expect(text({ kind: "aodh" })).toBe(`${seven}}`);
    const dispatch = aDispatch({ notification: aNotification({ count: 3 }) });
    expect(text({ kind: "aodh" }, dispatch)).toBe(`${seven}, "count": 3}`);
  });
});

describe("none", () => {
  it("an empty body over the wire: its length is 0, and it has no type", async () => {
    await using receiver = await rawReceiver(answerOf(202));
    const outcome = await sent(aTarget(`http://127.0.0.1:${receiver.port}/x?V=1`, { body: { kind: "none" } }));
    expect(outcome).toMatchObject({ outcome: "accepted", status: 202 });
    const { headers, body } = receiver.received[0]!;
    expect(body).toBe("");
    expect(headers["content-length"]).toBe("0");
    expect(headers).not.toHaveProperty("content-type");
    expect(headers).not.toHaveProperty("transfer-encoding");
  });
});

describe("alertmanager-v4", () => {
  const of = (current: State, fields: Partial<WebhookTarget> = {}, alarmName = "busy") =>
    JSON.parse(
      text(
        { kind: "alertmanager-v4" },
        aDispatch({ receiver: "ops", notification: aNotification({ current, alarmName }) }),
        fields,
      ),
    );

  it("the whole of it", () => {
    const labels = {
      alertname: "busy",
      alarm_id: "21ba09aa-8aa0-5e15-9296-664b0087de34",
      cluster_id: "web",
      cluster_name: "shop",
      severity: "critical",
      state: "alarm",
      team: "x",
    };
    expect(of("alarm", { labels: { team: "x", severity: "critical" } })).toEqual({
      version: "4",
      groupKey: '{}/{alarm_id="21ba09aa-8aa0-5e15-9296-664b0087de34"}:{alertname="busy"}',
      truncatedAlerts: 0,
      status: "firing",
      receiver: "ops",
      groupLabels: { alertname: "busy" },
      commonLabels: labels,
      commonAnnotations: { summary: "because" },
      externalURL: "",
      alerts: [
        {
          status: "firing",
          labels,
          annotations: { summary: "because" },
          startsAt: AT,
          endsAt: "0001-01-01T00:00:00Z",
          generatorURL: "",
          fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
        },
      ],
    });
  });

  it.each([
    { current: "alarm", status: "firing", endsAt: "0001-01-01T00:00:00Z" },
    { current: "insufficient data", status: "firing", endsAt: "0001-01-01T00:00:00Z" },
    { current: "ok", status: "resolved", endsAt: AT },
  ] as const)("$current: $status", ({ current, status, endsAt }) => {
    const body = of(current);
    expect(body).toMatchObject({ status, alerts: [{ status, endsAt, labels: { state: current } }] });
  });

  it("an alert is known by its alarm and labels, whatever its state", () => {
    const print = (body: { readonly alerts: readonly [{ readonly fingerprint: string }] }) =>
      body.alerts[0].fingerprint;
    const one = print(of("alarm", { labels: { a: "1", b: "2" } }));
    expect(print(of("ok", { labels: { b: "2", a: "1" } }))).toBe(one);
    expect(print(of("alarm", { labels: { a: "1", b: "3" } }))).not.toBe(one);
    expect(print(of("alarm", { labels: { a: "1", b: "2" } }, "other"))).not.toBe(one);
  });
});

describe("tacker-v2", () => {
  const labels = { vnf_instance_id: "v", aspect_id: "VDU1" };
  const template = { kind: "tacker-v2" } as const;

  it.each([
    { direction: "out", type: "SCALE_OUT", current: "alarm" },
    { direction: "in", type: "SCALE_IN", current: "alarm" },
    { direction: "in", type: "SCALE_IN", current: "ok" },
  ] as const)("$direction in $current: $type", ({ direction, type, current }) => {
    const dispatch = aDispatch({ direction, notification: aNotification({ current }) });
    // What the receiver's labels say of the way is not heeded.
    const own = { ...labels, auto_scale_type: "SIDEWAYS" };
    expect(JSON.parse(text(template, dispatch, { labels: own }))).toEqual({
      alerts: [
        {
          status: "firing",
          labels: { receiver_type: "tacker", function_type: "auto_scale", ...labels, auto_scale_type: type },
          annotations: {},
          startsAt: AT,
          fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
        },
      ],
    });
  });

  it("healing has no direction", () => {
    const own = { vnf_instance_id: "v", vnfc_info_id: "c", function_type: "auto_heal" };
    const { alerts } = JSON.parse(text(template, aDispatch({ direction: "unknown" }), { labels: own }));
    expect(alerts[0].labels).toEqual({ receiver_type: "tacker", ...own });
  });

  it("scaling without a direction: rejected without a byte", async () => {
    await using receiver = await rawReceiver(answerOf(204));
    const target = aTarget(`http://127.0.0.1:${receiver.port}/alert`, { body: template, labels });
    expect(await sent(target, aDispatch({ direction: "unknown" }))).toMatchObject({
      outcome: "rejected",
      reason: expect.stringContaining("says neither in nor out"),
    });
    expect(receiver.connections()).toBe(0);
  });
});

describe("custom", () => {
  const custom = (tree: Json, dispatch?: Dispatch, fields?: Partial<WebhookTarget>) =>
    JSON.parse(text({ kind: "custom", tree }, dispatch, fields));

  it("a string that is one field has its type", () => {
    const tree = Object.fromEntries(BODY_FIELDS.map((field) => [field, `\${${field}}`]));
    expect(custom(tree, aDispatch({ notification: aNotification({ count: 2 }) }))).toEqual({
      alarm_name: "busy",
      alarm_id: "21ba09aa-8aa0-5e15-9296-664b0087de34",
      severity: "low",
      previous: "ok",
      current: "alarm",
      reason: "because",
      reason_data: { type: "threshold", disposition: "outside", count: 1, most_recent: 8 },
      cluster_id: "web",
      cluster_name: "shop",
      receiver: "r",
      direction: "out",
      transition: 3,
      repeat: 0,
      delivery_id: "msg_e6ffba58-fc74-53b5-9182-d85398bf5530",
      at: AT,
      value: 8,
      count: 2,
    });
  });

  it.each([
    { written: "a ${alarm_name} b ${alarm_name}", is: "a busy b busy" },
    { written: " ${value}", is: " 8.0" },
    { written: "${value}%", is: "8.0%" },
    { written: "${transition}/${repeat}", is: "3/0" },
    { written: "n=${count}", is: "n=null" },
    {
      written: "data ${reason_data}",
      is: 'data {"type": "threshold", "disposition": "outside", "count": 1, "most_recent": 8.0}',
    },
    { written: "${count}", is: null },
    {
      written: "${env:HOME} ${nothing} ${__proto__} ${Value} $ {value} $${value}",
      is: "${env:HOME} ${nothing} ${__proto__} ${Value} $ {value} $8.0",
    },
  ])("'$written'", ({ written, is }) => {
    expect(custom({ x: [{ y: written }] })).toEqual({ x: [{ y: is }] });
  });

  it("what has no value has null, and what is no text stays", () => {
    const reasonData = { type: "event", event: { event_type: "e", traits: [["load", 3, 0.5]] } } as const;
    const dispatch = aDispatch({ notification: aNotification({ reasonData }) });
    const tree = { value: "${value}", data: "${reason_data}", plain: [1, 2.5, true, null, {}] };
    expect(custom(tree, dispatch)).toEqual({ value: null, data: reasonData, plain: tree.plain });
  });

  it("keys stay as they are, whatever they are", () => {
    const tree = JSON.parse('{"${reason}": 1, "__proto__": {"count": "${count}"}, "constructor": "${receiver}"}');
    expect(text({ kind: "custom", tree })).toBe('{"${reason}":1,"__proto__":{"count":null},"constructor":"r"}');
  });

  it("what is filled in is not looked at again", () => {
    const notification = aNotification({ alarmName: "${reason}", reason: "$& $' ${alarm_name} ${env:HOME}" });
    const tree = { name: "${alarm_name}", all: "<${alarm_name}|${reason}|${cluster_name}>" };
    expect(custom(tree, aDispatch({ notification }), { clusterName: "${delivery_id}" })).toEqual({
      name: "${reason}",
      all: "<${reason}|$& $' ${alarm_name} ${env:HOME}|${delivery_id}>",
    });
  });

  it.each([{ tree: [] }, { tree: "${reason_data}" }, { tree: null }, { tree: 3 }])("no map: $tree", ({ tree }) => {
    expect(() => text({ kind: "custom", tree })).toThrow("its body is not a map");
  });
});

it("every body but none is JSON whose first byte is {", () => {
  const target = (body: BodyTemplate) => aTarget("http://127.0.0.1/", { body });
  const trees: readonly BodyTemplate[] = [
    { kind: "aodh" },
    { kind: "alertmanager-v4" },
    { kind: "tacker-v2" },
    { kind: "custom", tree: {} },
  ];
  for (const body of trees) {
    const { bytes, contentType } = bodyOf(aDispatch(), target(body));
    expect(contentType).toBe("application/json");
    expect(bytes[0]).toBe("{".charCodeAt(0));
    JSON.parse(bytes.toString());
  }
});
