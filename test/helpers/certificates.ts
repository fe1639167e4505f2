import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificates {
  /** The authority, PEM. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority in a folder, and a certificate for 127.0.0.1, or another name, that it has signed. */
export function certificates(folder: string, { san = "IP:127.0.0.1", expired = false } = {}): Certificates {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ca = ["-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"];
  openssl("req", ...newKey, ...ca);
  const request = ["-subj", "/CN=receiver", "-addext", `subjectAltName=${san}`, "-keyout", "key", "-out", "csr"];
  openssl("req", ...newKey, ...request);
  const period = expired ? ["-not_before", "20200101000000Z", "-not_after", "20210101000000Z"] : ["-days", "2"];
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-copy_extensions", "copy", "-out", "cert"];
  try {
    openssl("x509", "-req", "-in", "csr", ...signed, ...period);
  } catch (error) {
    if (!expired) throw error;
    // Older openssl cannot say both ends: one that was over as it began.
    openssl("x509", "-req", "-in", "csr", ...signed, "-days", "-1");
  }
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return { ca: read("ca.pem"), cert: read("cert"), key: read("key") };
}
