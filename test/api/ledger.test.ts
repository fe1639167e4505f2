import { request } from "undici";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ApiServer } from "../../src/api/server.ts";
import { startApi } from "../../src/api/server.ts";
import { TocsinError } from "../../src/lib/errors.ts";
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
  view.ledger = [aDelivery("msg_1"), aDelivery("msg_2", { status: "dead", attention: true })];
  view.known = [aReceiver("scaler"), aReceiver("ops", { cluster_id: "b", cluster_name: "api" })];
});

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly code: string | undefined;
  readonly fault: string | undefined;
}

async function ask(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const json = { "content-type": "application/json", ...headers };
  const message = body === undefined ? { headers } : { method: "POST" as const, headers: json };
  const answer = await request(`${api.url}/api/v1/${path}`, {
    ...message,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const said = (await answer.body.json()) as { error_message?: { code?: string; faultstring: string } };
  const { code, faultstring: fault } = said.error_message ?? {};
  return { status: answer.statusCode, body: said, code, fault };
}

describe("deliveries", () => {
  it.each([
    { query: "", asked: { limit: 100 } },
    { query: "?limit=5", asked: { limit: 5 } },
    { query: "?attention=true", asked: { limit: 100, attention: true } },
    { query: "?attention=false&cluster=api", asked: { limit: 100, clusterId: "b", attention: false } },
    { query: "?cluster=a&limit=1000", asked: { limit: 1000, clusterId: "a" } },
  ])("a list of $query", async ({ query, asked }) => {
    const { status, body } = await ask(`deliveries${query}`);
    expect(status).toBe(200);
    expect(view.asked).toEqual([["deliveries", asked]]);
    expect(body).toHaveLength(asked.attention ? 1 : 2);
  });

  it.each([
    { query: "limit=0", status: 400, code: undefined },
    { query: "limit=1001", status: 400, code: undefined },
    { query: "attention=yes", status: 400, code: undefined },
    { query: "attention", status: 400, code: undefined },
    { query: "attention=true&attention=true", status: 400, code: undefined },
    { query: "cluster=none", status: 404, code: "E403" },
    { query: "cluster=", status: 404, code: "E403" },
    { query: "cluster=a&cluster=b", status: 404, code: "E403" },
  ])("a list of $query is refused", async ({ query, status, code }) => {
    const answer = await ask(`deliveries?${query}`);
    expect([answer.status, answer.code]).toEqual([status, code]);
    expect(view.asked).toEqual([]);
  });

  it("one, with its attempts; or none", async () => {
    expect((await ask("deliveries/msg_2")).body).toEqual(view.ledger[1]);
    const none = await ask("deliveries/msg_9");
    expect([none.status, none.code, none.fault]).toEqual([
      404,
      "E406",
      'there is no delivery msg_9: "tocsin delivery list" has them',
    ]);
  });

  it.each(["retry", "drop"])("%s", async (what) => {
    const { status, body } = await ask(`deliveries/msg_2/${what}`, {});
    expect([status, body]).toEqual([200, expect.objectContaining({ delivery_id: "msg_2", status: "dead" })]);
    expect(view.asked).toEqual([[what, "msg_2"]]);
  });

  it.each([
    { code: "E403", status: 404 },
    { code: "E404", status: 503 },
    { code: "E406", status: 404 },
    { code: "E407", status: 409 },
  ])("$code of a retry is told with $status", async ({ code, status }) => {
    view.fails = new TocsinError(code, "no");
    const answer = await ask("deliveries/msg_2/retry", {});
    expect([answer.status, answer.code, answer.fault]).toEqual([status, code, "no"]);
  });

  it.each([
    { path: "deliveries/msg_2/retry", body: { again: true }, headers: {}, status: 400 },
    { path: "deliveries/msg_2/drop", body: "[", headers: {}, status: 400 },
    { path: "deliveries/msg_2/retry", body: {}, headers: { origin: "http://evil.example" }, status: 403 },
    { path: "deliveries/msg_2/drop", body: {}, headers: { host: "evil.example" }, status: 403 },
    { path: "deliveries/msg_2/drop", body: "{}", headers: { "content-type": "text/plain" }, status: 415 },
    { path: "receivers/test", body: { receiver: "ops" }, headers: { origin: "null" }, status: 403 },
    { path: "deliveries/msg_2/undo", body: {}, headers: {}, status: 404 },
  ])("POST $path $body $headers is refused with $status", async ({ path, body, headers, status }) => {
    expect((await ask(path, body, headers)).status).toBe(status);
    expect(view.asked).toEqual([]);
  });
});

describe("receivers", () => {
  it("are listed", async () => expect((await ask("receivers")).body).toEqual(view.known));

  it.each([
    { body: { receiver: "scaler" }, asked: ["a", "scaler", false] },
    { body: { receiver: "ops", cluster: "api", send: true }, asked: ["b", "ops", true] },
    { body: { receiver: "ops", cluster: "b", send: false }, asked: ["b", "ops", false] },
  ])("a test of $body", async ({ body, asked }) => {
    expect(await ask("receivers/test", body)).toMatchObject({ status: 200, body: { name: body.receiver } });
    expect(view.asked).toEqual([["test", ...asked]]);
  });

  it.each([
    { body: {}, status: 400, code: undefined },
    { body: { receiver: "" }, status: 400, code: undefined },
    { body: { receiver: "ops", send: "yes" }, status: 400, code: undefined },
    { body: { receiver: "ops", url: "http://elsewhere" }, status: 400, code: undefined },
    { body: { receiver: "pager" }, status: 404, code: "E408" },
    { body: { receiver: "scaler", cluster: "api" }, status: 404, code: "E408" },
    { body: { receiver: "scaler", cluster: "none" }, status: 404, code: "E403" },
  ])("a test of $body is refused with $status", async ({ body, status, code }) => {
    const answer = await ask("receivers/test", body);
    expect([answer.status, answer.code]).toEqual([status, code]);
    expect(view.asked).toEqual([]);
  });

  it("E409 is told with 409", async () => {
    view.fails = new TocsinError("E409", "not now");
    const answer = await ask("receivers/test", { receiver: "scaler", send: true });
    expect([answer.status, answer.code, answer.fault]).toEqual([409, "E409", "not now"]);
  });
});
