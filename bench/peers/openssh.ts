import { userInfo } from "node:os";
import { join } from "@std/path";
import { freePort, HOST } from "../helpers/ports.ts";
import { areInstalled, type CommandLine, run, Service } from "../helpers/process.ts";
import { type Peer, type Places, type RunningPeer, RUNS_AS_ROOT, type Transfer } from "./peer.ts";

const INSTALL = "apt-get install openssh-server openssh-client";

/** Fast where the processor has AES instructions. */
const CIPHER = "aes128-gcm@openssh.com";

/** The empty directory that an sshd of root insists on. Debian's service makes it when it starts. */
const PRIVILEGE_SEPARATION = "/run/sshd";

function configuration(own: string, port: number): string {
  return `
ListenAddress ${HOST}:${port}
HostKey ${own}/host_key
PidFile ${own}/sshd.pid
AuthorizedKeysFile ${own}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 1000
MaxSessions 1000
UseDNS no
PrintMotd no
PrintLastLog no
Compression no
Ciphers ${CIPHER}
Subsystem sftp internal-sftp
`;
}

async function makeKey(path: string): Promise<void> {
  const args = ["-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", path];
  await run({ program: "ssh-keygen", args }, new AbortController().signal);
}

/** @returns Whether it had to be made, so that it is removed again. */
function makePrivilegeSeparation(): boolean {
  try {
    Deno.mkdirSync(PRIVILEGE_SEPARATION, { mode: 0o755 });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

async function startDaemon({ own }: Places, port: number): Promise<AsyncDisposable & { pid: number }> {
  await makeKey(join(own, "host_key"));
  await makeKey(join(own, "user_key"));
  const file = join(own, "sshd_config");
  Deno.writeTextFileSync(file, configuration(own, port));
  const made = RUNS_AS_ROOT && makePrivilegeSeparation();
  const removeMade = () => made && Deno.removeSync(PRIVILEGE_SEPARATION);
  try {
    const service = await Service.start({ program: "/usr/sbin/sshd", args: ["-D", "-e", "-f", file] }, port);
    return {
      pid: service.pid,
      async [Symbol.asyncDispose]() {
        await service[Symbol.asyncDispose]();
        removeMade();
      },
    };
  } catch (error) {
    removeMade();
    throw error;
  }
}

function clientOptions(own: string, port: number): string[] {
  const settings = {
    Port: port,
    User: userInfo().username,
    IdentityFile: join(own, "user_key"),
    IdentitiesOnly: "yes",
    IdentityAgent: "none",
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    LogLevel: "ERROR",
    Ciphers: CIPHER,
    Compression: "no",
    BatchMode: "yes",
  };
  return ["-F", "/dev/null", ...Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
}

type Client = (options: readonly string[], served: string, transfer: Transfer) => CommandLine;

function sftp(options: readonly string[], served: string, { kind, remote, local, host, notes }: Transfer): CommandLine {
  const far = `${served}/${remote}`;
  const tree = kind.endsWith("Tree") ? " -R" : "";
  const line = kind.startsWith("get") ? `get${tree} "${far}" "${local}"` : `put${tree} "${local}" "${far}"`;
  const batch = join(notes, "sftp.txt");
  Deno.writeTextFileSync(batch, `${line}\n`);
  return { program: "sftp", args: ["-q", ...options, "-b", batch, host] };
}

function scp(options: readonly string[], served: string, { kind, remote, local, host }: Transfer): CommandLine {
  const far = `${host}:${served}/${remote}`;
  const tree = kind.endsWith("Tree") ? ["-r"] : [];
  const way = kind.startsWith("get") ? [far, local] : [local, far];
  // The old protocol of scp; without -O it is the same as sftp.
  return { program: "scp", args: ["-q", "-O", ...tree, ...options, ...way] };
}

function openssh(id: string, client: Client): Peer {
  return {
    id,
    name: id,
    install: INSTALL,
    isInstalled: () => areInstalled("sshd", "ssh-keygen", "ssh", "sftp", "scp"),
    async start(places): Promise<RunningPeer> {
      const port = freePort();
      const daemon = await startDaemon(places, port);
      const options = clientOptions(places.own, port);
      return {
        pid: daemon.pid,
        ports: [port],
        client: (transfer) => client(options, places.served, transfer),
        [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
      };
    },
  };
}

/** OpenSSH's sftp. */
export const SFTP = openssh("sftp", sftp);

/** OpenSSH's scp with its own protocol. */
export const SCP = openssh("scp", scp);
