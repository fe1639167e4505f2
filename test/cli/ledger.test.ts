import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ApiServer } from "../../src/api/server.ts";
import { startApi } from "../../src/api/server.ts";
import { TocsinError } from "../../src/lib/errors.ts";
import { command } from "../helpers/cli.ts";
import { aCluster, aDelivery, aReceiver, FakeView } from "../helpers/fakeView.ts";

const view = new FakeView([aCluster("a", { cluster_name: "web" }), aCluster("b", { cluster_name: "api" })]);
let api: ApiServer;
beforeAll(async () => {
  api = await startApi({ host: "127.0.0.1", port: 0 }, "1.2.3", view);
});
afterAll(() => api.close());
beforeEach(() => {
  view.asked.length = 0;
  view.fails = undefined;
  view.ledger = [];
  view.known = [];
  view.found = {};
});

const cli = (...args: string[]) => command(args, { cwd: "/", env: { TOCSIN_URL: api.url } });

const DEAD = aDelivery("msg_11111111-aaaa", {
  cluster_id: "a",
  status: "dead",
  attention: true,
  attempts: 5,
  reason: "no connection: ECONNREFUSED",
});
const DELIVERED = aDelivery("msg_22222222-bbbb", { cluster_id: "b", receiver: "scaler", transition: 12, repeat: 3 });

describe("delivery list", () => {
  it("shows what needs a person first, in a section of its own", async () => {
    view.ledger = [DELIVERED, DEAD];
    const { code, out } = await cli("delivery", "list");
    // How long ago it was depends on when it is asked: that, and the width it takes, are left out.
    expect(out.replace(/\w+ ago/g, "AGO").replace(/ {2,}/g, "  ")).toBe(
      [
        "NEEDS A PERSON (1): tocsin delivery show, retry or drop ID",
        "ID  CREATED  CLUSTER  ALARM  RECEIVER  STATE  STATUS  ATTEMPTS  REASON",
        "msg_11111111  AGO  web  busy  ops  alarm  dead  5  no connection: ECONNREFUSED",
        "",
        "THE REST",
        "ID  CREATED  CLUSTER  ALARM  RECEIVER  STATE  STATUS  ATTEMPTS  REASON",
        "msg_22222222  AGO  api  busy  scaler  alarm  delivered  1  the receiver answered 200",
        "",
      ].join("\n"),
    );
    expect(code).toBe(0);
    expect(view.asked).toEqual([
      ["deliveries", { limit: 1000, attention: true }],
      ["deliveries", { limit: 50 }],
    ]);
  });

  it("one receiver that is away hides no other: what is alike takes one line, unless each is asked for", async () => {
    const again = (id: string) => ({ ...DEAD, delivery_id: id });
    const other = { ...DEAD, delivery_id: "msg_55555555", receiver: "pager", status: "rejected", reason: "404" };
    view.ledger = [DEAD, again("msg_33333333"), other, again("msg_44444444")];
    const { out } = await cli("delivery", "list");
    expect(out.split("\n").filter((line) => line.startsWith("msg_"))).toEqual([
      expect.stringMatching(/^msg_11111111 .* dead .* ECONNREFUSED \(and 2 before it\)$/),
      expect.stringMatching(/^msg_55555555 .* pager .* rejected .* 404$/),
    ]);
    expect(out).toMatch(/^NEEDS A PERSON \(4\): .*; each of them: --attention\n/);
    const each = await cli("delivery", "list", "--attention");
    expect(each.out.match(/^msg_/gm)).toHaveLength(4);
    expect(JSON.parse((await cli("delivery", "list", "-o", "json")).out)).toHaveLength(4);
  });

  it("without such it is a plain table, and only such where these are asked for", async () => {
    view.ledger = [DELIVERED];
    expect((await cli("delivery", "list")).out).toMatch(/^ID .*\nmsg_22222222 .*\n$/);
    view.ledger = [DELIVERED, DEAD];
    const only = await cli("delivery", "list", "--attention", "--cluster", "web", "--limit", "7");
    expect(only.out).toMatch(/^NEEDS A PERSON \(1\).*\nID .*\nmsg_11111111 .*\n$/);
    expect(view.asked.at(-1)).toEqual(["deliveries", { limit: 7, clusterId: "a", attention: true }]);
  });

  it("is one list as JSON", async () => {
    view.ledger = [DELIVERED, DEAD];
    const listed = JSON.parse((await cli("delivery", "list", "-o", "json")).out) as { delivery_id: string }[];
    expect(listed.map(({ delivery_id: id }) => id)).toEqual([DEAD.delivery_id, DELIVERED.delivery_id]);
    expect(listed[0]).toMatchObject({ attention: true, status: "dead" });
  });

  it("of a cluster that is not there is refused", async () => {
    const { code, err } = await cli("delivery", "list", "--cluster", "wob");
    expect([code, err]).toEqual([5, 'tocsin: there is no cluster wob: did you mean "web"? [E403]\n']);
  });
});

describe("delivery show", () => {
  it("says all of it, and nothing in it reaches the terminal", async () => {
    const none = { wait_ms: null, connect_ms: null, first_byte_ms: null, total_ms: null, answer: null };
    view.ledger = [
      aDelivery("msg_1", {
        cluster_id: "a",
        status: "rejected",
        attention: true,
        attempts: 4,
        reason: "the receiver answered 400",
        attempt_list: [
          {
            ...none,
            attempt: 1,
            outcome: "not_run",
            status: null,
            reason: "no connection: ECONNREFUSED",
            started_at: "2026-11-21T00:53:09.100Z",
            wait_ms: 0.04,
            total_ms: 0.9,
            request_id: null,
          },
          {
            ...none,
            attempt: 2,
            outcome: "cancelled",
            status: null,
            reason: "stopped",
            started_at: null,
            request_id: null,
          },
          {
            attempt: 3,
            outcome: "rejected",
            status: 400,
            reason: "the receiver answered 400",
            started_at: "2026-11-21T00:53:19.100Z",
            wait_ms: 12.4,
            connect_ms: 1.26,
            first_byte_ms: 6001.26,
            total_ms: 6043,
            answer: '{"error":\t"\u001b[31mbad\u0007",\r\n "code": 400}\n\n',
            request_id: "req-1\u009b",
          },
        ],
      }),
    ];
    const { code, out } = await cli("delivery", "show", "msg_1");
    expect(out).toBe(
      [
        "FIELD        VALUE",
        "delivery_id  msg_1",
        "status       rejected: it needs a person",
        "reason       the receiver answered 400",
        "next         mend the receiver (tocsin receiver test ops), then tocsin delivery retry msg_1, or drop it",
        "attempts     4, of which 3 have an outcome",
        "alarm        busy (id-busy)",
        "cluster      web (a)",
        "receiver     ops",
        "class        notice",
        "state        ok -> alarm",
        "severity     low",
        "says         Transition to alarm",
        "value        9.0",
        "send         1.0",
        "created_at   2026-11-21T00:53:09.000Z",
        "",
        "attempt 1  2026-11-21T00:53:09.100Z  did not run: no connection: ECONNREFUSED",
        "  waited 0 ms, no connection, 0.9 ms in all",
        "",
        "attempt 2  not made  cancelled: stopped",
        "  no times are known",
        "",
        "attempt 3  2026-11-21T00:53:19.100Z  rejected (400): the receiver answered 400",
        "  waited 12 ms, connected in 1.3 ms, first byte 6 s later, 6.04 s in all",
        "  its request id  req-1\\u009b",
        "  its answer",
        '    {"error":  "\\u001b[31mbad\\u0007",',
        '     "code": 400}',
        "",
      ].join("\n"),
    );
    expect(code).toBe(0);
    const { out: json } = await cli("delivery", "show", "msg_1", "-o", "json");
    expect(json).not.toMatch(/[^\P{Cc}\n]/u);
    expect(JSON.parse(json)).toEqual(view.ledger[0]);
  });

  it("of a long answer, its first lines; of none, that it is none", async () => {
    const times = { started_at: null, wait_ms: null, connect_ms: null, first_byte_ms: null, total_ms: null };
    const attempt = (number: number, answer: string) => ({
      ...times,
      attempt: number,
      outcome: "accepted",
      status: 200,
      reason: "",
      answer,
      request_id: null,
    });
    view.ledger = [
      aDelivery("msg_1", { attempts: 2, attempt_list: [attempt(1, "x\n".repeat(30)), attempt(2, " \n")] }),
    ];
    const { out } = await cli("delivery", "show", "msg_1");
    expect(out.match(/^ {4}x$/gm)).toHaveLength(20);
    expect(out).toContain("    … 10 lines more\n");
    expect(out).toContain("  it answered nothing else\n");
    expect(out).toContain("attempts     2\n");
  });

  it("of none is refused", async () => {
    const { code, out, err } = await cli("delivery", "show", "msg_\u001b[1m");
    expect([code, out]).toEqual([5, ""]);
    expect(err).toBe('tocsin: there is no delivery msg_\\u001b[1m: "tocsin delivery list" has them [E406]\n');
  });
});

describe("delivery retry and drop", () => {
  it.each([
    {
      own: { status: "waiting" },
      says: 'msg_1 to ops waits for its turn, and is sent again under the same id; "tocsin delivery show msg_1" tells what comes of it',
    },
    {
      own: { status: "claimed" },
      says: 'msg_1 to ops is being sent again, under the same id; "tocsin delivery show msg_1" tells what comes of it',
    },
    { own: { status: "delivered" }, says: "msg_1 to ops was sent again, and is delivered" },
    { own: { status: "rejected", reason: "404" }, says: "msg_1 to ops was sent again: rejected: 404" },
    {
      own: { status: "rejected", class: "control" },
      says: 'the action of alarm busy is owed to ops again, under a new id: "tocsin alarm explain busy" tells what holds it',
    },
  ])("retry says what came of it: $own", async ({ own, says }) => {
    view.ledger = [aDelivery("msg_1", own)];
    expect(await cli("delivery", "retry", "msg_1")).toEqual({ code: 0, out: `${says}\n`, err: "" });
    expect(view.asked).toEqual([["retry", "msg_1"]]);
  });

  it("drop says what came of it", async () => {
    view.ledger = [aDelivery("msg_1", { status: "dropped" })];
    const { code, out } = await cli("delivery", "drop", "msg_1");
    expect([code, out]).toEqual([0, "msg_1 to ops is dropped: it is not sent again, and needs nobody any more\n"]);
    expect(view.asked).toEqual([["drop", "msg_1"]]);
  });

  it("several at once", async () => {
    view.ledger = [aDelivery("msg_1", { status: "dropped" }), aDelivery("msg_2", { status: "dropped" })];
    const { code, out } = await cli("delivery", "drop", "msg_1", "msg_2");
    expect([code, out.match(/^msg_\d to ops is dropped/gm)]).toEqual([
      0,
      ["msg_1 to ops is dropped", "msg_2 to ops is dropped"],
    ]);
  });

  it.each(["E406", "E407"])("%s ends with 5", async (errorCode) => {
    view.fails = new TocsinError(errorCode, "it cannot be");
    const { code, err } = await cli("delivery", "retry", "msg_1");
    expect([code, err]).toEqual([5, `tocsin: it cannot be [${errorCode}]\n`]);
  });

  it("an id is needed", async () => expect((await cli("delivery", "drop")).code).toBe(2));
});

it("receiver list", async () => {
  view.known = [
    aReceiver("scaler"),
    aReceiver("ops\u001b", { class: "notice", direction: null, shadow: true, breaker: "open", failing: "500\nnext" }),
  ];
  expect((await cli("receiver", "list")).out).toBe(
    [
      "CLUSTER  RECEIVER   CLASS            DIRECTION  TARGET                    BREAKER  FAILING",
      "web      ops\\u001b  notice (shadow)  -          https://senlin.example/…  open     500\\nnext",
      "web      scaler     control          out        https://senlin.example/…  closed   -",
      "",
    ].join("\n"),
  );
  expect(JSON.parse((await cli("receiver", "list", "-o", "json")).out)).toEqual(view.known);
  view.known = [];
  expect((await cli("receiver", "list", "-o", "json")).out).toBe("[]\n");
});

describe("receiver test", () => {
  const outcome = {
    outcome: "accepted",
    status: 202,
    reason: "the receiver answered 202",
    total_ms: 17.4,
    answer: "ok",
  };
  const found = {
    headers: { "content-type": "application/json", authorization: "***" },
    body: '{"alarm_name": "tocsin test"}',
    addresses: [
      { address: "10.0.0.5", refused: null },
      { address: "169.254.169.254", refused: "link-local" },
    ],
    outcome,
  };
  const REQUEST = [
    "POST https://senlin.example/…",
    "content-type: application/json",
    "authorization: ***",
    "",
    '{"alarm_name": "tocsin test"}',
    "",
    "addresses  10.0.0.5",
    "           169.254.169.254  refused: link-local",
  ];

  it("shows the request, and sends nothing", async () => {
    [view.known, view.found] = [[aReceiver("scaler")], found];
    const { code, out } = await cli("receiver", "test", "scaler");
    expect(out).toBe(
      [
        "receiver scaler of web (control, out)",
        "",
        ...REQUEST,
        "problem    none",
        "sent       no: --send sends it, marked as a test",
        "",
      ].join("\n"),
    );
    expect(code).toBe(0);
    expect(view.asked).toEqual([["test", "a", "scaler", false]]);
  });

  it("sends where it is told to", async () => {
    [view.known, view.found] = [[aReceiver("ops", { class: "notice", direction: null })], found];
    const { code, out } = await cli("receiver", "test", "ops", "--send", "--cluster", "web");
    expect(out).toBe(
      [
        "receiver ops of web (notice)",
        "",
        ...REQUEST,
        "problem    none",
        "sent       accepted in 17 ms: the receiver answered 202",
        "  its answer",
        "    ok",
        "",
      ].join("\n"),
    );
    expect(code).toBe(0);
    expect(view.asked).toEqual([
      ["test", "a", "ops", false],
      ["test", "a", "ops", true],
    ]);
  });

  it("ends with 1 where the receiver did not accept it, or nothing can be sent", async () => {
    const refused = { ...outcome, outcome: "rejected", status: 404, reason: "404", answer: null };
    [view.known, view.found] = [[aReceiver("ops", { class: "notice" })], { ...found, outcome: refused }];
    const rejected = await cli("receiver", "test", "ops", "--send");
    expect([rejected.code, rejected.out]).toEqual([1, expect.stringContaining("sent       rejected in 17 ms: 404\n")]);
    view.asked.length = 0;
    view.found = { problem: "environment variable TOKEN is not set", outcome };
    const broken = await cli("receiver", "test", "ops", "--send");
    expect(broken.out).toBe(
      "receiver ops of web (notice, out)\n\nproblem    environment variable TOKEN is not set\nsent       no\n",
    );
    expect([broken.code, view.asked]).toEqual([1, [["test", "a", "ops", false]]]);
  });

  it("a receiver that scales is sent nothing without a person's yes", async () => {
    [view.known, view.found] = [[aReceiver("scaler")], found];
    const alone = await cli("receiver", "test", "scaler", "--send");
    expect(alone).toEqual({
      code: 2,
      out: "",
      err: "tocsin: scaler of web scales: most receivers that do so scale at any POST, also at a test; say --yes to send it all the same\n",
    });
    const questions: string[] = [];
    const asking = (answer: boolean) =>
      command(["receiver", "test", "scaler", "--send"], {
        cwd: "/",
        env: { TOCSIN_URL: api.url },
        confirm: async (question) => {
          questions.push(question);
          return answer;
        },
      });
    const no = await asking(false);
    expect([no.code, no.out, no.err]).toEqual([1, "", "tocsin: nothing was sent\n"]);
    expect(view.asked.filter(([, , , send]) => send === true)).toEqual([]);
    expect((await asking(true)).code).toBe(0);
    expect((await cli("receiver", "test", "scaler", "--send", "--yes")).code).toBe(0);
    expect(view.asked.filter(([, , , send]) => send === true)).toHaveLength(2);
    expect(questions).toEqual(Array(2).fill(expect.stringMatching(/^scaler of web scales: .*\. Send it\?$/)));
  });

  it.each([
    {
      args: ["scalar"],
      err: 'there is no receiver scalar: did you mean "scaler"? [E408]',
    },
    { args: ["scaler"], err: "2 clusters have a receiver scaler; say which cluster: web, api [E402]" },
    {
      args: ["ops", "--cluster", "api"],
      err: 'cluster api has no receiver ops: "tocsin receiver list" names them [E408]',
    },
    { args: ["ops", "--cluster", "none"], err: 'there is no cluster none: "tocsin cluster list" names them [E403]' },
  ])("$args is refused", async ({ args, err }) => {
    view.known = [aReceiver("scaler"), aReceiver("scaler", { cluster_id: "b", cluster_name: "api" }), aReceiver("ops")];
    const ended = await cli("receiver", "test", ...args);
    expect([ended.code, ended.out, ended.err]).toEqual([5, "", `tocsin: ${err}\n`]);
    expect(view.asked).toEqual([]);
  });

  it("is refused while the cluster scales", async () => {
    [view.known, view.found] = [[aReceiver("scaler")], found];
    view.fails = new TocsinError("E409", "receiver scaler is not tested now: the lane is settling (out)");
    const { code, err } = await cli("receiver", "test", "scaler", "--send", "--yes");
    expect([code, err]).toEqual([5, expect.stringContaining("[E409]")]);
  });

  it("of what leaves nothing", async () => {
    view.known = [aReceiver("journal", { class: "notice", direction: null, target: "log:" })];
    const { code, out } = await cli("receiver", "test", "journal");
    expect([code, out]).toEqual([
      0,
      "receiver journal of web (notice)\n\nlog: nothing leaves the process\n\nproblem    none\nsent       no: --send sends it, marked as a test\n",
    ]);
  });
});
