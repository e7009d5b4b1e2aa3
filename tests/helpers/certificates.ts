import { type Identity } from "../../lib/transport/tls.ts";

export function pem(label: string, base64: string): string {
  return `-----BEGIN ${label}-----\n${base64.replace(/.{64}/g, "$&\n")}\n-----END ${label}-----\n`;
}

/**
 * An authority and a certificate that it has issued for ferry.internal, localhost and 127.0.0.1, good until 2126. Made
 * with `openssl req -x509`, and `openssl x509 -req` with `subjectAltName`. Nobody trusts them outside these tests.
 */
export const AUTHORITY: Identity = {
  certificate: pem(
    "CERTIFICATE",
    "MIIBijCCAS+gAwIBAgIUOMvWSxC9AHe9sFdVbJye0eWeWAwwCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwOVGVzdCBhdXRob3JpdHkwIBcNMjYx" +
      "MTIwMTEzMTQyWhgPMjEyNjEwMjcxMTMxNDJaMBkxFzAVBgNVBAMMDlRlc3QgYXV0aG9yaXR5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE" +
      "mJQL0fLpK8VNnwEmUXxStXJWYHCXzyZqBn0Qy934axs3cmt+L82KcmgD2/NySMVGSuys2QOwdzZtj7MBcjxwKKNTMFEwHQYDVR0OBBYEFD8p" +
      "GG8XNp/42k9N7Ww8fm6pyU3jMB8GA1UdIwQYMBaAFD8pGG8XNp/42k9N7Ww8fm6pyU3jMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID" +
      "SQAwRgIhANWEPLNPIGLMYpzW9cGEFMRTq+PlmlNWmd5qEyXegYznAiEA67NfUwxZYJd+YawmbZFiwrboWTHjtQfeA7W4SsAjq+k=",
  ),
  key: pem(
    "PRIVATE KEY",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4Jey0iiP2vJex3Mt+DgKUdrYak6f4RUhpJgyur814f6hRANCAASYlAvR8ukr" +
      "xU2fASZRfFK1clZgcJfPJmoGfRDL3fhrGzdya34vzYpyaAPb83JIxUZK7KzZA7B3Nm2PswFyPHAo",
  ),
};
