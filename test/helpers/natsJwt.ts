/** An operator, accounts and a user of NATS as they are in JWTs, and the user's credentials file. */

import { randomUUID } from "node:crypto";
import { nkeys } from "nats";

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface JwtServer {
  /** Lines of the server's configuration. */
  readonly config: string;
  /** Text of a credentials file that it lets in. */
  readonly creds: string;
}

export function jwtServer(): JwtServer {
  const [operator, account, system] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const user = nkeys.createUser();
  const none = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const limits = { ...none, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const signed = [
    token(operator, operator, "operator", { system_account: system.getPublicKey() }),
    token(operator, account, "account", { limits }),
    token(operator, system, "account", { limits: none }),
  ];
  const ofUser = token(account, user, "user", { subs: -1, data: -1, payload: -1 });
  const seed = new TextDecoder().decode(user.getSeed());
  return {
    config: `operator: ${signed[0]}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${signed[1]}, ${system.getPublicKey()}: ${signed[2]} }
system_account: ${system.getPublicKey()}`,
    creds: `-----BEGIN NATS USER JWT-----
${ofUser}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`,
  };
}

/** A seed of a user's nkey, and its public key. */
export function userNkey(): { readonly seed: string; readonly publicKey: string } {
  const user = nkeys.createUser();
  return { seed: new TextDecoder().decode(user.getSeed()), publicKey: user.getPublicKey() };
}

function token(issuer: KeyPair, subject: KeyPair, type: string, nats: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: type,
    nats: { ...nats, type, version: 2 },
  };
  const text = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part(claims)}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString("base64url")}`;
}
