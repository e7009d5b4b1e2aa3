import { formatAddress, isLoopback } from "../../transport/address.ts";
import { certificateDer } from "../../transport/tls.ts";
import { RateLimit } from "../../transport/rate_limit.ts";
import { Secret } from "../../auth/secret.ts";
import { cannot, FerryError, hasCode } from "../../core/errors.ts";
import type { ClientArguments } from "./client_arguments.ts";
import type { Address } from "./server_address.ts";
import { maySee, valueOf } from "../terminal/environment.ts";
import { readPrivateFile } from "../terminal/private_files.ts";
import { ask } from "../terminal/question.ts";
import { UsageError } from "../terminal/usage.ts";

/** The environment variable that may hold the secret. */
const VARIABLE = "FERRY_SECRET";

type Options = Pick<ClientArguments, "secretFile" | "caFile" | "insecure" | "bytesPerSecond">;

function knownSecret({ secretFile }: Options): Secret | undefined {
  try {
    const text = secretFile === undefined ? valueOf(VARIABLE) : readPrivateFile(secretFile);
    return text === undefined ? undefined : Secret.parse(text);
  } catch (error) {
    throw cannot("use the secret in", secretFile ?? VARIABLE, error);
  }
}

/**
 * Asks for the secret without showing it.
 *
 * @returns Undefined if the user has none.
 * @throws {FerryError} `Cancelled` for Ctrl-C, Ctrl-D or the end of the input.
 */
async function askSecret(question: string): Promise<Secret | undefined> {
  for (;;) {
    const text = await ask(question, { hidden: true });
    if (text === undefined) throw new FerryError("Cancelled", "cancelled");
    if (text.trim() === "") return undefined;
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
    const authorities = await Deno.readTextFile(caFile);
    // Blame the file now, not the server later.
    certificateDer(authorities);
    return authorities;
  } catch (error) {
    throw cannot("use", caFile, error);
  }
}

/**
 * Adds to an address what the client needs to connect. If others could listen in, everything is encrypted and the
 * server must know the secret, unless the user turned that off.
 *
 * @param interactive Whether somebody can be asked for the secret.
 * @throws {UsageError} If options contradict each other, or there is no secret.
 * @throws {FerryError} If a file cannot be used.
 */
export async function withCredentials(address: Address, options: Options, interactive: boolean): Promise<Address> {
  const { insecure, secretFile, caFile, bytesPerSecond } = options;
  const rate = bytesPerSecond === undefined ? undefined : new RateLimit(bytesPerSecond);
  const ca = await readAuthorities(options);
  if (address.secret) {
    if (insecure || secretFile !== undefined) {
      throw new UsageError("the ticket already says how to connect; leave out --insecure and --secret-file");
    }
    return { ...address, rate, ...(address.tls ? { tls: { ca } } : {}) };
  }
  if (insecure && (secretFile ?? caFile) !== undefined) {
    throw new UsageError("--insecure turns encryption and secrets off; leave out either it, or --secret-file and --ca");
  }
  if (insecure) return { ...address, rate };
  const secret = knownSecret(options);
  if (ca === undefined && isLoopback(address.hostname)) return { ...address, rate, secret };
  if (secret) return { ...address, rate, secret, tls: { ca } };
  const asked = interactive ? await askSecret("Secret (Enter for none, and no encryption): ") : undefined;
  if (asked) return { ...address, rate, secret: asked, tls: { ca } };
  if (interactive && ca === undefined) return { ...address, rate };
  throw new UsageError(
    `there is no secret for ${formatAddress(address)}: give the server's ticket instead of its address, its secret ` +
      `(--secret-file, or ${VARIABLE}${maySee(VARIABLE) ? "" : ` with --allow-env=${VARIABLE}`}), or --insecure if ` +
      "it has neither",
  );
}

/**
 * Uses an address. If it is this machine's own and the server wants a secret, asks for it and tries again.
 */
export async function withSecretIfWanted<T>(address: Address, use: (address: Address) => Promise<T>): Promise<T> {
  try {
    return await use(address);
  } catch (error) {
    const isWanted = hasCode(error, "Unauthorized") && !address.secret;
    const secret = isWanted && isLoopback(address.hostname) ? await askSecret("Secret: ") : undefined;
    if (!secret) throw error;
    return await use({ ...address, secret });
  }
}
