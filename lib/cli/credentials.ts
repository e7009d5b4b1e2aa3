import { promptSecret } from "@std/cli/prompt-secret";
import { formatAddress, isLoopback } from "../net/address.ts";
import { RateLimit } from "../net/rate.ts";
import { Secret } from "../net/secret.ts";
import { cannot } from "../protocol/errors.ts";
import { clientSecret } from "./identity.ts";
import type { Address, ClientArguments } from "./options.ts";
import { UsageError } from "./usage.ts";

/** The environment variable that may hold the secret. */
const VARIABLE = "FERRY_SECRET";

type Options = Pick<ClientArguments, "secretFile" | "caFile" | "insecure" | "bytesPerSecond">;

/** What the environment holds, if this program may look there. */
function environmentSecret(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: VARIABLE });
  return state === "granted" ? Deno.env.get(VARIABLE) : undefined;
}

async function knownSecret({ secretFile }: Options): Promise<Secret | undefined> {
  if (secretFile !== undefined) return await clientSecret(secretFile);
  const text = environmentSecret();
  try {
    return text === undefined || text === "" ? undefined : Secret.parse(text);
  } catch (error) {
    throw cannot("use the secret in", VARIABLE, error);
  }
}

/** Asks for the secret, without showing it. @returns Undefined when the user has none. */
function askSecret(): Secret | undefined {
  for (;;) {
    const text = promptSecret("Secret (Enter for none, and no encryption):", { mask: "" });
    if (text === null || text.trim() === "") return undefined;
    try {
      return Secret.parse(text);
    } catch (error) {
      console.error(cannot("use", "the secret", error).message);
    }
  }
}

async function readAuthorities({ caFile }: Options): Promise<string | undefined> {
  if (caFile === undefined) return undefined;
  try {
    return await Deno.readTextFile(caFile);
  } catch (error) {
    throw cannot("read", caFile, error);
  }
}

/**
 * Adds to an address what is needed to meet the server there. Where others could listen, everything is encrypted and
 * the server must know the secret, unless the user says that it shall not be so.
 *
 * @param interactive Whether there is somebody to ask for the secret.
 * @throws {UsageError} For options that do not fit; when there is no secret. @throws {FerryError} For unusable files.
 */
export async function withCredentials(address: Address, options: Options, interactive: boolean): Promise<Address> {
  const { insecure, secretFile, bytesPerSecond } = options;
  const rate = bytesPerSecond === undefined ? undefined : new RateLimit(bytesPerSecond);
  const ca = await readAuthorities(options);
  if (address.secret) {
    if (insecure || secretFile !== undefined) {
      throw new UsageError("the ticket says how to meet the server; leave out --insecure and --secret-file");
    }
    return { ...address, rate, ...(address.tls ? { tls: { ca } } : {}) };
  }
  const secret = await knownSecret(options);
  const local = isLoopback(address.hostname);
  if (insecure && (ca ?? (local ? undefined : secret))) {
    throw new UsageError("--insecure turns encryption off, without which no secret and no certificate is used");
  }
  if (insecure || local && ca === undefined) return { ...address, rate, secret };
  if (secret) return { ...address, rate, secret, tls: { ca } };
  const asked = interactive ? askSecret() : undefined;
  if (asked) return { ...address, rate, secret: asked, tls: { ca } };
  if (interactive && ca === undefined) return { ...address, rate };
  throw new UsageError(
    `how to meet ${formatAddress(address)}? Give the server's ticket in place of the address, its secret ` +
      `(--secret-file, ${VARIABLE}), or --insecure when it has neither`,
  );
}
