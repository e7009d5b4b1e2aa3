import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { certificateDer, certificatePem, INTERNAL_NAME } from "../../lib/transport/tls.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import { DENO, PROJECT } from "../helpers/process.ts";
import { AUTHORITY } from "../helpers/certificates.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const YEAR_MS = 365.25 * DAY_MS;

Deno.test("createIdentity() makes a certificate of a server, for the internal name, from yesterday for ten years", async () => {
  const before = Date.now();
  const { certificate, key } = await createIdentity();
  const parsed = new X509Certificate(certificate);
  assertEquals(parsed.ca, false);
  assertEquals(parsed.subjectAltName, `DNS:${INTERNAL_NAME}`);
  assertEquals(parsed.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert(parsed.verify(parsed.publicKey), "it is not signed by its own key");
  const [from, to] = [Date.parse(parsed.validFrom), Date.parse(parsed.validTo)];
  assert(Math.abs(before - DAY_MS - from) < 60_000, parsed.validFrom);
  assert(Math.abs(from + 10 * YEAR_MS - to) < 2 * DAY_MS, parsed.validTo);
  assert(/^[4-7][0-9a-f]{31}$/i.test(parsed.serialNumber), parsed.serialNumber);
  assert(key.startsWith("-----BEGIN PRIVATE KEY-----"));
});

Deno.test("createIdentity() makes another key and number every time, and stays small", async () => {
  const [a, b] = await Promise.all([createIdentity(), createIdentity()]);
  assertNotEquals(a.key, b.key);
  assertNotEquals(new X509Certificate(a.certificate).serialNumber, new X509Certificate(b.certificate).serialNumber);
  assert(certificateDer(a.certificate).length < 340);
});

Deno.test("lib/auth loads the packages for certificates only to make one", async () => {
  const { stdout } = await new Deno.Command(DENO, { args: ["info", "--json", "lib/auth/certificate.ts"], cwd: PROJECT })
    .output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { specifier: string; dependencies?: { specifier: string; code?: unknown; isDynamic?: boolean }[] }[];
  };
  const own = modules.find(({ specifier }) => specifier.endsWith("lib/auth/certificate.ts"))?.dependencies ?? [];
  const packages = own.filter(({ specifier, code }) => specifier.startsWith("@peculiar/") && code);
  // Found without running it, as `deno compile` does, and marked as not needed at the start.
  assertEquals(packages.map(({ specifier, isDynamic }) => [specifier, isDynamic]).sort(), [
    ["@peculiar/asn1-schema", true],
    ["@peculiar/asn1-x509", true],
  ]);
});

Deno.test("certificatePem() and certificateDer() are inverse, and a chain begins with the server's own", async () => {
  const { certificate, key } = await createIdentity();
  const der = certificateDer(certificate);
  assertEquals(certificateDer(key + certificate), der);
  assertEquals(certificatePem(der), certificate);
  assertEquals(certificateDer(`# mine\r\n${certificate.replaceAll("\n", "\r\n")}${AUTHORITY.certificate}`), der);
  assert(certificate.split("\n").every((line) => line.length <= 64));
});

Deno.test("certificateDer() refuses what holds no certificate", async () => {
  const { certificate, key } = await createIdentity();
  const empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----";
  for (const text of ["", "x", key, certificate.slice(0, 200), certificate.replace("M", "!"), empty]) {
    assertThrowsCode("BadRequest", () => certificateDer(text), text);
  }
});

Deno.test("certificatePem() refuses what is no certificate", async () => {
  const der = certificateDer((await createIdentity()).certificate);
  for (const bytes of [new Uint8Array(), new Uint8Array(9), der.subarray(0, -1)]) {
    assertThrowsCode("BadRequest", () => certificatePem(bytes));
  }
});
