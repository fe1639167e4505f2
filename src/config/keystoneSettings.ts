/** `notifier.keystone` of `tocsin.yaml`: who we are where a receiver asks for a token of Keystone. */

import { resolve } from "node:path";
import { z } from "zod";
import type { Path } from "./explain.ts";
import { httpUrl } from "./fields.ts";
import { expandSecrets } from "./secrets.ts";
import type { Written } from "./written.ts";
import { hasWord, meansWord } from "./written.ts";
import type { YamlFile } from "./yamlFile.ts";

const text = z.string().min(1, "must not be empty").max(2048, "at most 2048 characters");

/** The words, as in an `openrc` or `clouds.yaml`. */
export const keystoneFields = z.strictObject({
  auth_url: httpUrl,
  username: text.optional(),
  user_id: text.optional(),
  password: text.optional(),
  user_domain_name: text.optional(),
  user_domain_id: text.optional(),
  project_name: text.optional(),
  project_id: text.optional(),
  project_domain_name: text.optional(),
  project_domain_id: text.optional(),
  application_credential_id: text.optional(),
  application_credential_secret: text.optional(),
  ca_file: z.string().min(1, "must not be empty").max(4096, "at most 4096 characters").optional(),
});

/** As they are written. */
export type KeystoneFields = z.infer<typeof keystoneFields>;
type Word = keyof KeystoneFields;

type Domain = { readonly name: string } | { readonly id: string };
type Entity = { readonly id: string } | { readonly name: string; readonly domain: Domain };

/** Who asks for a token, and for which project. Its secrets are still in `${…}` form. */
export interface KeystoneSettings {
  /** With or without `/v3`, as it is written. */
  readonly authUrl: string;
  /** PEM file of the authority of its certificate; absent: the system's. */
  readonly caFile?: string;
  readonly credentials:
    | { readonly kind: "password"; readonly user: Entity; readonly password: string; readonly project: Entity }
    /** It says by itself for which project. */
    | {
        readonly kind: "application_credential";
        readonly credential: { readonly id: string };
        readonly secret: string;
      };
}

/** Words that an application credential makes needless. */
const OF_PASSWORDS = [
  "username",
  "user_id",
  "password",
  "user_domain_name",
  "user_domain_id",
  "project_name",
  "project_id",
  "project_domain_name",
  "project_domain_id",
] as const satisfies readonly Word[];

/** Checks that the words, which stand as written at `path`, say one thing, and all of it. */
export function checkKeystone(file: YamlFile, path: Path, written: Written): void {
  const words = Object.keys(keystoneFields.shape);
  // A misspelt word is complained of already: it is not missing besides.
  const said = (word: Word) => meansWord(written, word, words);
  const missing = (word: Word, why: string) =>
    file.error(path, "E104", `${word} is missing in notifier.keystone${why}`, `add "${word}:"`);
  const needless = (word: Word, message: string) => file.error([...path, word], "E108", message, `remove ${word}`);
  /** Exactly one of two words. */
  const either = (first: Word, second: Word, why: string) => {
    if (hasWord(written, first) && hasWord(written, second))
      needless(second, `${first} and ${second} say the same in notifier.keystone`);
    else if (!said(first) && !said(second)) missing(first, why);
  };
  /** The domain of a name; an id needs none. */
  const domain = (id: Word, name: Word, domainName: Word, domainId: Word) => {
    if (said(name) && !said(id)) return either(domainName, domainId, `: ${name} needs a domain`);
    for (const word of [domainName, domainId])
      if (said(id) && hasWord(written, word)) needless(word, `${id} needs no domain in notifier.keystone`);
  };
  if (said("application_credential_id") || said("application_credential_secret")) {
    if (!said("application_credential_id")) missing("application_credential_id", "");
    if (!said("application_credential_secret")) missing("application_credential_secret", "");
    for (const word of OF_PASSWORDS.filter((one) => hasWord(written, one)))
      needless(word, `an application credential says by itself who asks, and for which project: not ${word}`);
    return;
  }
  either("username", "user_id", "");
  domain("user_id", "username", "user_domain_name", "user_domain_id");
  if (!said("password")) missing("password", "");
  either("project_name", "project_id", "");
  domain("project_id", "project_name", "project_domain_name", "project_domain_id");
}

/** The settings of words that `checkKeystone` finds nothing wrong with. `folder`: what paths are relative to. */
export function keystoneSettings(fields: KeystoneFields, folder: string): KeystoneSettings {
  const { auth_url: authUrl, ca_file: caFile, application_credential_id: id } = fields;
  const place = { authUrl, ...(caFile === undefined ? {} : { caFile: resolve(folder, caFile) }) };
  if (id !== undefined) {
    const secret = fields.application_credential_secret ?? "";
    return { ...place, credentials: { kind: "application_credential", credential: { id }, secret } };
  }
  const user = named(fields.user_id, fields.username, domainOf(fields.user_domain_id, fields.user_domain_name));
  const domain = domainOf(fields.project_domain_id, fields.project_domain_name);
  const project = named(fields.project_id, fields.project_name, domain);
  return { ...place, credentials: { kind: "password", user, password: fields.password ?? "", project } };
}

function domainOf(id: string | undefined, name: string | undefined): Domain {
  return id === undefined ? { name: name ?? "" } : { id };
}

function named(id: string | undefined, name: string | undefined, domain: Domain): Entity {
  return id === undefined ? { name: name ?? "", domain } : { id };
}

/** The same with its secrets in place. Throws `E205` when one cannot be read. */
export function expandKeystone(
  keystone: KeystoneSettings,
  environment: Readonly<Record<string, string | undefined>>,
): KeystoneSettings {
  const expand = (value: string) => expandSecrets(value, environment);
  const domain = (one: Domain): Domain => ("id" in one ? { id: expand(one.id) } : { name: expand(one.name) });
  const entity = (one: Entity): Entity =>
    "id" in one ? { id: expand(one.id) } : { name: expand(one.name), domain: domain(one.domain) };
  const own = keystone.credentials;
  const credentials: KeystoneSettings["credentials"] =
    own.kind === "password"
      ? { kind: own.kind, user: entity(own.user), password: expand(own.password), project: entity(own.project) }
      : { kind: own.kind, credential: { id: expand(own.credential.id) }, secret: expand(own.secret) };
  return { ...keystone, authUrl: expand(keystone.authUrl), credentials };
}
