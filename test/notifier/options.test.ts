import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { ServerOptions } from "node:https";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Outcome, ReasonData } from "../../src/model/decision.ts";
import { aodhBody } from "../../src/notifier/aodhBody.ts";
import { signature } from "../../src/notifier/signature.ts";
import type { WebhookTarget } from "../../src/ports.ts";
import { aNotification, aTarget, sent } from "../helpers/posts.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const send = (url: string, fields?: Partial<WebhookTarget>): Promise<Outcome> => sent(aTarget(url, fields));

describe("signature", () => {
  // The example of the Standard Webhooks libraries.
  const example = {
    secret: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    delivery: { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestampS: 1614265330 },
    body: Buffer.from('{"test": 2432232314}'),
    signed: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  };

  it.each(["", "whsec_"])("the published example, secret with '%s' before it", (prefix) => {
    const { secret, delivery, body, signed } = example;
    expect(signature(`${prefix}${secret}`, delivery, body)).toBe(signed);
  });

  it("is over what is sent, byte for byte", async () => {
    await using receiver = await rawReceiver(answerOf(200));
    const key = Buffer.from("a key of twenty-four bytes or more");
    const signSecret = `whsec_${key.toString("base64")}`;
    expect(await send(`http://127.0.0.1:${receiver.port}/`, { signSecret })).toMatchObject({ outcome: "accepted" });
    const { headers, body } = receiver.received[0]!;
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    expect(headers["webhook-signature"]).toBe(
      `v1,${createHmac("sha256", key).update(signed, "latin1").digest("base64")}`,
    );
  });

  it("there is none without a secret", async () => {
    await using receiver = await rawReceiver(answerOf(200));
    await send(`http://127.0.0.1:${receiver.port}/`);
    expect(receiver.received[0]?.headers).not.toHaveProperty("webhook-signature");
  });

  it("a secret that is none: rejected without showing it, nothing sent", async () => {
    await using receiver = await rawReceiver(answerOf(200));
    const outcome = await send(`http://127.0.0.1:${receiver.port}/`, { signSecret: "whsec_not base64!" });
    expect(outcome).toMatchObject({ outcome: "rejected", reason: expect.stringContaining("not base64") });
    expect(outcome.reason).not.toContain("whsec_not");
    expect(receiver.connections()).toBe(0);
  });
});

describe("connections", () => {
  it.each([
    { keepAlive: undefined, header: "close" },
    { keepAlive: false, header: "close" },
    { keepAlive: true, header: "keep-alive" },
  ])("keepAlive $keepAlive: $header", async ({ keepAlive, header }) => {
    await using receiver = await rawReceiver(answerOf(200));
    await send(`http://127.0.0.1:${receiver.port}/`, keepAlive === undefined ? {} : { keepAlive });
    expect(receiver.received[0]?.headers.connection).toBe(header);
  });
});

describe("headers of the receiver's own", () => {
  it.each(["content-type", "Content-Type", "User-Agent"])("%s goes in place of ours", async (name) => {
    await using receiver = await rawReceiver(answerOf(200));
    await send(`http://127.0.0.1:${receiver.port}/`, { headers: { [name]: "mine" } });
    const { raw, headers } = receiver.received[0]!;
    expect(headers[name.toLowerCase()]).toBe("mine");
    expect(raw.match(new RegExp(`^${name}: `, "gim"))).toHaveLength(1);
  });

  it.each(["Host", "WEBHOOK-ID", "webhook-timestamp"])("%s stays ours", async (name) => {
    await using receiver = await rawReceiver(answerOf(200));
    await send(`http://127.0.0.1:${receiver.port}/`, { headers: { [name]: "mine" } });
    const { raw, headers } = receiver.received[0]!;
    expect(headers[name.toLowerCase()]).not.toBe("mine");
    expect(raw.match(new RegExp(`^${name}: `, "gim"))).toHaveLength(1);
  });
});

/** An authority, and a certificate for 127.0.0.1 that it has signed. */
function certificates(folder: string): { readonly ca: string; readonly cert: string; readonly key: string } {
  const path = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ca = ["-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"];
  openssl("req", ...newKey, ...ca);
  openssl(
    "req",
    ...newKey,
    "-subj",
    "/CN=receiver",
    "-addext",
    "subjectAltName=IP:127.0.0.1",
    "-keyout",
    "key",
    "-out",
    "csr",
  );
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-copy_extensions", "copy", "-days", "2", "-out", "cert"];
  openssl("x509", "-req", "-in", "csr", ...signed);
  const read = (name: string) => readFileSync(path(name), "utf8");
  return { ca: read("ca.pem"), cert: read("cert"), key: read("key") };
}

/** A server that counts what it is asked. */
async function tlsServer(options: ServerOptions) {
  let requests = 0;
  const server = createServer(options, (_request, response) => {
    requests++;
    response.end("hello");
  });
  // A client that was refused goes away.
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("TLS", () => {
  const refused = { outcome: "rejected", reason: expect.stringMatching(/^TLS: /) };

  it("a certificate is trusted by its own authority alone, for that receiver alone", async () => {
    using folder = temporaryFolder();
    const { ca, cert, key } = certificates(folder.path);
    using otherFolder = temporaryFolder();
    const other = certificates(otherFolder.path).ca;
    await using server = await tlsServer({ cert, key });
    const { port } = server;

    expect(await send(`https://127.0.0.1:${port}/`)).toMatchObject(refused);
    expect(await send(`https://127.0.0.1:${port}/`, { tls: { ca: other } })).toMatchObject(refused);
    expect(await send(`https://127.0.0.1:${port}/`, { tls: { ca: "no certificate" } })).toMatchObject(refused);
    // Its name is looked at, too.
    expect(await send(`https://localhost:${port}/`, { tls: { ca } })).toMatchObject(refused);
    expect(server.requests()).toBe(0);
    expect(await send(`https://127.0.0.1:${port}/`, { tls: { ca } })).toMatchObject({
      outcome: "accepted",
      status: 200,
      detail: { answer: "hello" },
    });
    expect(await send(`https://127.0.0.1:${port}/`)).toMatchObject(refused);
    expect(server.requests()).toBe(1);
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)(
    "%s: our own certificate is shown where it is asked for",
    async (version) => {
      using folder = temporaryFolder();
      const { ca, cert, key } = certificates(folder.path);
      using otherFolder = temporaryFolder();
      const other = certificates(otherFolder.path);
      const asks = { requestCert: true, rejectUnauthorized: true, minVersion: version, maxVersion: version };
      await using server = await tlsServer({ cert, key, ca, ...asks });
      const url = `https://127.0.0.1:${server.port}/`;

      // Node's server hangs up without an alert, so that some of these look like any lost connection.
      for (const tls of [{ ca }, { ca, cert: other.cert, key: other.key }, { ca, cert, key: other.key }])
        expect((await send(url, { tls })).outcome).not.toBe("accepted");
      expect(server.requests()).toBe(0);
      expect(await send(url, { tls: { ca, cert, key } })).toMatchObject({ outcome: "accepted", status: 200 });
    },
  );

  it("nothing older than 1.2", async () => {
    using folder = temporaryFolder();
    const { ca, cert, key } = certificates(folder.path);
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await using server = await tlsServer({ cert, key, ...old });
    const outcome = await send(`https://127.0.0.1:${server.port}/`, { tls: { ca } });
    expect(outcome.outcome).not.toBe("accepted");
    expect(server.requests()).toBe(0);
  });
});

describe("reason_data", () => {
  const rule = {
    meter_name: "haproxy.server.network.rate",
    threshold: 12_000,
    clear_threshold: 0.5,
    period: 60,
    evaluation_periods: 1,
    exclude_outliers: false,
    query: [{ field: "server", value: "é" }],
    type: "threshold",
  };
  const ruleText =
    '{"meter_name": "haproxy.server.network.rate", "threshold": 12000.0, "clear_threshold": 0.5, "period": 60, ' +
    '"evaluation_periods": 1, "exclude_outliers": false, "query": [{"field": "server", "value": "\\u00e9"}], ' +
    '"type": "threshold"}';

  const table: readonly { readonly name: string; readonly data: ReasonData; readonly text: string }[] = [
    {
      name: "threshold",
      data: { type: "threshold", disposition: "inside", count: 3, mostRecent: 8 },
      text: '{"type": "threshold", "disposition": "inside", "count": 3, "most_recent": 8.0}',
    },
    {
      name: "threshold without a value",
      data: { type: "threshold", disposition: "unknown", count: 1, mostRecent: null },
      text: '{"type": "threshold", "disposition": "unknown", "count": 1, "most_recent": null}',
    },
    {
      name: "threshold of one server",
      data: { type: "threshold", disposition: "outside", count: 1, mostRecent: 0.25, server: "web-1" },
      text: '{"type": "threshold", "disposition": "outside", "count": 1, "most_recent": 0.25, "server": "web-1"}',
    },
    {
      name: "composite",
      data: {
        type: "composite",
        form: "(rule1 or (rule2 and rule3))",
        causes: [
          ["rule1", rule],
          ["rule3", { threshold: 8 }],
        ],
      },
      text: `{"type": "composite", "composition_form": "(rule1 or (rule2 and rule3))", "causative_rules": {"rule1": ${ruleText}, "rule3": {"threshold": 8.0}}}`,
    },
    {
      name: "composite of which no rule is the cause",
      data: { type: "composite", form: "not rule1", causes: [] },
      text: '{"type": "composite", "composition_form": "not rule1", "causative_rules": {}}',
    },
    {
      name: "event",
      data: {
        type: "event",
        event: {
          event_type: "haproxy.server.down",
          traits: [
            ["checks", 1, 3],
            ["load", 1, 0.5],
          ],
          raw: {},
        },
      },
      text: '{"type": "event", "event": {"event_type": "haproxy.server.down", "traits": [["checks", 1, 3], ["load", 1, 0.5]], "raw": {}}}',
    },
  ];

  it.each(table)("$name", ({ data, text }) => {
    const body = aodhBody(aNotification({ reasonData: data })).toString();
    expect(body.slice(body.indexOf('"reason_data": '))).toBe(`"reason_data": ${text}}`);
  });
});
