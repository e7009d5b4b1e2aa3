import { Buffer } from "node:buffer";
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import type { Extensions } from "@peculiar/asn1-x509";
import { certificatePem, type Identity, INTERNAL_NAME } from "../transport/tls.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const VALID_YEARS = 10;

/** Object identifiers: RFC 5480 (ecdsa-with-SHA256) and X.520 (commonName). */
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";

/**
 * Makes a new ECDSA P-256 key and a self-signed certificate for it: CA:FALSE, because Deno refuses the certificate of
 * an authority as a server's own; valid from the day before, for clocks that differ, for ten years. It says no more
 * than that, to keep tickets short. The packages for it are loaded at the first call.
 *
 * @param now The time it is made at.
 */
export async function createIdentity(now = new Date()): Promise<Identity> {
  const { AsnConvert } = await import("@peculiar/asn1-schema");
  const x509 = await import("@peculiar/asn1-x509");
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const signatureAlgorithm = new x509.AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const commonName = new x509.AttributeTypeAndValue({
    type: COMMON_NAME,
    value: new x509.AttributeValue({ utf8String: "Ferry" }),
  });
  const name = new x509.Name([new x509.RelativeDistinguishedName([commonName])]);
  const notBefore = new Date(now.getTime() - DAY_MS);
  const notAfter = new Date(notBefore);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + VALID_YEARS);
  const tbsCertificate = new x509.TBSCertificate({
    version: x509.Version.v3,
    // Random, and by its first byte positive and always equally long (RFC 5280, section 4.1.2.2).
    serialNumber: Uint8Array.of(0x40, ...randomBytes(15)).buffer,
    signature: signatureAlgorithm,
    issuer: name,
    validity: new x509.Validity({ notBefore, notAfter }),
    subject: name,
    subjectPublicKeyInfo: AsnConvert.parse(publicKey, x509.SubjectPublicKeyInfo),
    extensions: await extensions(),
  });
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), privateKey);
  // A buffer of its own; that of a `Buffer` may be larger.
  const signatureValue = Uint8Array.from(signature).buffer;
  const certificate = new x509.Certificate({ tbsCertificate, signatureAlgorithm, signatureValue });
  return { certificate: certificatePem(new Uint8Array(AsnConvert.serialize(certificate))), key: privateKey };
}

/** CA:FALSE, and the name. */
async function extensions(): Promise<Extensions> {
  const { AsnConvert, OctetString } = await import("@peculiar/asn1-schema");
  const x509 = await import("@peculiar/asn1-x509");
  const extension = (extnID: string, critical: boolean, content: object) =>
    new x509.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(content)) });
  return new x509.Extensions([
    extension(x509.id_ce_basicConstraints, true, new x509.BasicConstraints({ cA: false })),
    extension(
      x509.id_ce_subjectAltName,
      false,
      new x509.SubjectAlternativeName([new x509.GeneralName({ dNSName: INTERNAL_NAME })]),
    ),
  ]);
}
