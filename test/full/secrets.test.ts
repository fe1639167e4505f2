import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { freePort } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { masked } from "../../src/notifier/masking.ts";
import type { DeliveryView } from "../../src/serviceView.ts";
import { certificates } from "../helpers/certificates.ts";
import { command } from "../helpers/cli.ts";
import { ScriptedHaproxy } from "../helpers/crashSource.ts";
import { addAnswers, addData, Everything, filesIn, refusals } from "../helpers/secretsEverything.ts";
import type { Places } from "../helpers/secretsRules.ts";
import {
  BROKEN_RULES,
  BROKEN_SECRETS,
  BROKEN_SETTINGS,
  ENVIRONMENT,
  FILES,
  goodRules,
  noticeNames,
  SECRETS,
} from "../helpers/secretsRules.ts";
import type { Secrets } from "../helpers/secretsSearch.ts";
import { SPELLINGS, secretsIn } from "../helpers/secretsSearch.ts";
import { repeatingKeystone, repeatingReceiver, start, urlOf } from "../helpers/secretsWorld.ts";
import { writeSetUp } from "../helpers/service.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

const CRASH = new URL("../helpers/secretsCrash.ts", import.meta.url).pathname;

async function world() {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder());
  const secretFolder = join(folder.path, "secret");
  mkdirSync(secretFolder);
  const tls = certificates(secretFolder);
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(secretFolder, name), text);
  const receiver = stack.use(await repeatingReceiver());
  const places: Places = {
    port: receiver.port,
    tlsPort: stack.use(await repeatingReceiver(tls)).port,
    deadPort: await freePort(),
    folder: secretFolder,
  };
  const tokens = [SECRETS["first token of Keystone"], SECRETS["second token of Keystone"]];
  const keystone = stack.use(await repeatingKeystone(tokens));
  const haproxy = new ScriptedHaproxy(["shop", "told"], 1, systemClock);
  haproxy.weather = "many";
  const socket = join(folder.path, "haproxy.sock");
  stack.use(await haproxy.listen(socket, () => {}));
  const key = tls.key.split("\n")[1] ?? "";
  const secrets: Secrets = { ...SECRETS, ...BROKEN_SECRETS, "key of a certificate": key };
  const moved = stack.move();
  return {
    folder: folder.path,
    places,
    receiver,
    keystone,
    socket,
    secrets,
    env: ENVIRONMENT(places.port),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

type World = Awaited<ReturnType<typeof world>>;

const configFor = ({ socket, receiver, keystone }: World, who: string) => `
collector: {interval: 1s, sources: [{name: lab, socket: ${socket}}]}
api: {listen: "127.0.0.1:0"}
log: {level: debug, format: json}
notifier:
  heartbeat_url: "http://127.0.0.1:${receiver.port}/500/plain/${SECRETS["path of the heartbeat"]}?k=${SECRETS["query of the heartbeat"]}"
  keystone:
    auth_url: http://127.0.0.1:${keystone.port}/v3
    ${who}
`;

const withPassword = (folder: string) => `username: tocsin
    user_domain_name: Default
    project_name: service
    project_domain_name: Default
    password: "\${file:${folder}/keystone}"`;

const WITH_CREDENTIAL = `application_credential_id: ours
    application_credential_secret: ${SECRETS["application credential"]}`;

/** Of each kind of end there is one. */
const ENDS = [
  /^delivered: the receiver answered 20\d$/m,
  /^rejected: the receiver answered 404$/m,
  /^rejected: the receiver answered 302: redirects/m,
  /^rejected: TLS: /m,
  /^rejected: receiver no_file: cannot read the secret's file /m,
  /^rejected: the request cannot be made: a bad header/m,
  /^waiting: the receiver answered 500$/m,
  /^waiting: the receiver answered 401$/m,
  /^waiting: no answer: ECONNRESET$/m,
  /^waiting: no connection: ECONNREFUSED$/m,
  /^waiting: no connection: (ENOTFOUND|EAI_AGAIN)$/m,
];

describe("20 planted secrets and more", () => {
  it("the search finds each in every spelling, and nothing where nothing is", () => {
    for (const [name, secret] of Object.entries(SECRETS))
      for (const [spelling, spell] of Object.entries(SPELLINGS))
        for (const one of spell(secret))
          expect(
            secretsIn(Buffer.from(`before ${one} after`, spelling === "UTF-16" ? "latin1" : "utf8"), {
              [name]: secret,
            }),
          ).toContain(`${name} (${spelling})`);
    expect(secretsIn("nothing of it", SECRETS)).toEqual([]);
    expect(secretsIn(Buffer.from(`{"a":"${SECRETS["label of a file"]}"}`).toString("base64"), SECRETS)).toContain(
      "label of a file (base64)",
    );
  });

  it.each(Object.entries(SPELLINGS).filter(([name]) => !/base64|hex|UTF-16|beginning/.test(name)))(
    "what a receiver repeats, %s, is starred out, as it is, within JSON, and cut off anywhere",
    (_, spell) => {
      for (const secret of Object.values(SECRETS))
        for (const spelled of spell(secret))
          for (const text of [spelled, JSON.stringify({ said: spelled }), encodeURIComponent(spelled)]) {
            expect(masked(`it says ${text}, it does`, [secret])).toMatch(/^it says .{0,9}\*\*\*.{0,6}, it does$/);
            for (let kept = 1; kept <= text.length; kept++) {
              const answer = `${"-".repeat(2048 - kept)}${text}`.slice(0, 2048);
              expect(masked(answer, [secret])).not.toMatch(/p1[0-9a-f]{2}/);
            }
          }
    },
  );

  it("what is no secret is left as it was", () => {
    const text = 'a+b %2B %zz &amp; &nope; \\u00e9 \\\\ \u20ac \ud83d\ude00 {"x": "\\"y\\""}';
    expect(masked(text, Object.values(SECRETS))).toBe(text);
    expect(masked(`${text} abcd ${text}`, ["abcd"])).toBe(`${text} *** ${text}`);
  });

  it("found=0 in logs, answers, errors, the output of crashes, database files", async () => {
    await using here = await world();
    const { folder, places, secrets, env } = here;
    const all = new Everything();
    writeSetUp(folder, configFor(here, withPassword(places.folder)), goodRules(places));
    chmodSync(join(folder, "rules"), 0o700);
    const data = join(folder, "data");

    // A first life: everything is delivered or fails, is asked for, tested, edited to something broken, and killed.
    await using first = start(["run"], { cwd: folder, env });
    const url = await urlOf(first);
    const deliveries = () =>
      fetch(`${url}/api/v1/deliveries?limit=1000`).then((answer) => answer.json() as Promise<DeliveryView[]>);
    const wanted = [...noticeNames(places), "grow"];
    await eventually(
      "an attempt at every receiver",
      async () => {
        const tried = new Set(
          (await deliveries())
            .filter(({ status, reason }) => status === "delivered" || reason !== "")
            .map(({ receiver }) => receiver),
        );
        return wanted.every((name) => tried.has(name)) && [...tried].some((name) => name.startsWith("url-"));
      },
      20_000,
    );
    // Nothing that is searched for below was merely never sent, and no end of a delivery is missing.
    const ends = (await deliveries()).map(({ status, reason }) => `${status}: ${reason}`).join("\n");
    for (const end of ENDS) expect(ends).toMatch(end);
    const asked = here.receiver.asked.join("\n");
    for (const name of [
      "path of a Senlin URL",
      "value of a signed URL",
      "URL of the environment",
      "URL of a file",
      "path of a trust URL",
      "path that redirects",
      "path that resets",
      "path that a receiver cuts",
      "URL in an action list",
    ] as const)
      expect(asked).toContain(SECRETS[name]);
    await eventually(
      "the heartbeat",
      () => here.receiver.asked.some((line) => line.startsWith("GET /500/")) || undefined,
    );
    await addAnswers(all, folder, url, "in the first life");
    const ask = async (args: readonly string[], service = url) => {
      const { out, err } = await command(args, { cwd: folder, env: { ...env, TOCSIN_URL: service } });
      all.add(args.join(" "), out + err);
    };
    const testAll = async (service: string) => {
      for (const name of wanted)
        for (const flags of [[], ["--send", "--yes"], ["--send", "--yes", "-o", "json"]])
          await ask(["receiver", "test", name, ...flags], service);
    };
    await testAll(url);

    const broken = (text: string) => text.replace("class: notice", "clas: notice");
    for (const [name, text] of Object.entries(goodRules(places)))
      writeFileSync(join(folder, "rules", name), broken(text));
    for (const [name, text] of Object.entries(BROKEN_RULES)) writeFileSync(join(folder, "rules", name), text);
    const names = ["told.yaml", ...Object.keys(BROKEN_RULES)];
    const untold = () =>
      names.filter(
        (name) =>
          !first
            .said()
            .split("\n")
            .some((line) => line.includes(`"rules/${name}"`) && line.includes("rule file is broken")),
      );
    await eventually("the broken files to be told", () => untold().length === 0 || undefined);
    await addAnswers(all, folder, url, "with broken rules");
    await ask(["check"]);
    await ask(["test"]);
    all.add("first life", await first.kill("SIGKILL"));
    addData(all, data, "after kill -9");
    expect(statSync(join(data, "rules")).mode & 0o777).toBe(0o700);

    // A second one, on what the first left: it tells again what is broken, and ends as it is asked to.
    await using second = start(["run"], { cwd: folder, env });
    await addAnswers(all, folder, await urlOf(second), "in the second life");
    all.add("second life", await second.kill("SIGTERM"));
    expect(await second.ended).toEqual({ code: 0, signal: null });
    addData(all, data, "after SIGTERM");

    // Another service, that is somebody else to Keystone, which refuses it.
    for (const name of Object.keys(BROKEN_RULES)) rmSync(join(folder, "rules", name));
    writeSetUp(folder, `${configFor(here, WITH_CREDENTIAL)}store: {path: data-credential}\n`, goodRules(places));
    await using third = start(["run"], { cwd: folder, env });
    const thirdUrl = await urlOf(third);
    await eventually("the refusal of Keystone", () => /Keystone at [^"]* answered 401/.test(third.said()) || undefined);
    await addAnswers(all, folder, thirdUrl, "in the third life");
    await testAll(thirdUrl);
    const refused = await refusals(thirdUrl);
    all.add("third life", await third.kill("SIGTERM"));
    addData(all, join(folder, "data-credential"), "of the third life");

    for (const moment of ["resolving", "told"]) {
      await using crashing = start([moment], { cwd: folder, env, entry: CRASH });
      const { code, signal } = await crashing.ended;
      expect([moment, code, signal]).toEqual([moment, 1, null]);
      expect(crashing.said()).toContain("planted crash");
      all.add(`crash while ${moment}`, crashing.said());
      addData(all, join(folder, `data-${moment}`), "after the crash");
    }

    for (const [at, { text }] of BROKEN_SETTINGS.entries()) {
      writeFileSync(join(folder, `settings${at}.yaml`), text);
      for (const what of ["check", "run"]) await ask([what, "--config", `settings${at}.yaml`]);
    }
    const settingsSecrets = Object.fromEntries(BROKEN_SETTINGS.map(({ secret }, at) => [`settings ${at}`, secret]));
    const planted: Secrets = { ...secrets, ...settingsSecrets };

    const { "said to the interface": said, ...others } = planted;
    const found = [...all.search(planted), ...refused.search(others)];
    const spellings = Object.keys(SPELLINGS).length;
    console.log(
      `secrets planted=${Object.keys(planted).length} places=${all.size + refused.size} spellings=${spellings} found=${found.length}`,
    );
    expect(found).toEqual([]);

    // The test can fail: the one place that holds rule files as they were written, and what is written on purpose.
    expect(secretsIn(readFileSync(join(data, "rules", "told.yaml")), planted)).toContain(
      "literal signing secret (raw)",
    );
    const control = new Everything();
    writeFileSync(join(data, "leak.db"), `x${Buffer.from(`{"a":"${said}"}`).toString("base64")}`, { mode: 0o600 });
    addData(control, data, "with a leak");
    expect(control.search(planted)).toEqual([
      "leak.db with a leak: said to the interface (base64)",
      "leak.db with a leak: said to the interface (base64url)",
    ]);
    expect(filesIn(folder).filter((path) => /(^|\/)core(\.|$)/.test(path))).toEqual([]);
  }, 180_000);
});
