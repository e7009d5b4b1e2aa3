import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import * as x509 from "@peculiar/asn1-x509";
import { Buffer } from "node:buffer";
import { generateKeyPairSync, sign } from "node:crypto";
import { isIP } from "node:net";
import { certificatePem, type Identity } from "../../lib/transport/tls.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** Object identifiers: RFC 5480 (ecdsa-with-SHA256) and X.520 (commonName). */
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";

interface Subject {
  readonly name: string;
  readonly issuer: string;
  readonly validDays: number;
  readonly extensions: readonly x509.Extension[];
}

function nameOf(text: string): x509.Name {
  const value = new x509.AttributeValue({ utf8String: text });
  const commonName = new x509.AttributeTypeAndValue({ type: COMMON_NAME, value });
  return new x509.Name([new x509.RelativeDistinguishedName([commonName])]);
}

function extension(extnID: string, content: object, critical = false): x509.Extension {
  return new x509.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(content)) });
}

/** Makes a key and a certificate for it that `signer` has signed, or the key itself. */
function certify({ name, issuer, validDays, extensions }: Subject, signer?: string): Identity {
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const signatureAlgorithm = new x509.AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const now = Date.now();
  const tbsCertificate = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: crypto.getRandomValues(new Uint8Array(16)).with(0, 0x40).buffer,
    signature: signatureAlgorithm,
    issuer: nameOf(issuer),
    validity: new x509.Validity({
      notBefore: new Date(now - 30 * DAY_MS),
      notAfter: new Date(now + validDays * DAY_MS),
    }),
    subject: nameOf(name),
    subjectPublicKeyInfo: AsnConvert.parse(publicKey, x509.SubjectPublicKeyInfo),
    extensions: new x509.Extensions([...extensions]),
  });
  const signed = sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), signer ?? privateKey);
  const signatureValue = Uint8Array.from(signed).buffer;
  const certificate = new x509.Certificate({ tbsCertificate, signatureAlgorithm, signatureValue });
  return { certificate: certificatePem(new Uint8Array(AsnConvert.serialize(certificate))), key: privateKey };
}

/** A small authority that nobody trusts by itself. */
export class Authority {
  readonly #identity: Identity;
  readonly #name: string;

  constructor(name = "Test authority") {
    this.#name = name;
    const extensions = [extension(x509.id_ce_basicConstraints, new x509.BasicConstraints({ cA: true }), true)];
    this.#identity = certify({ name, issuer: name, validDays: 30, extensions });
  }

  /** Its own certificate, PEM. */
  get certificate(): string {
    return this.#identity.certificate;
  }

  /**
   * Issues a certificate for host names and IP addresses.
   *
   * @param validDays How long it is good from now on; it has expired when this is negative.
   */
  issue(hosts: readonly string[], validDays = 30): Identity {
    const names = hosts.map((host) => new x509.GeneralName(isIP(host) ? { iPAddress: host } : { dNSName: host }));
    const extensions = [
      extension(x509.id_ce_basicConstraints, new x509.BasicConstraints({ cA: false }), true),
      extension(x509.id_ce_subjectAltName, new x509.SubjectAlternativeName(names)),
    ];
    return certify({ name: "Test server", issuer: this.#name, validDays, extensions }, this.#identity.key);
  }
}
