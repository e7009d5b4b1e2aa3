import { FERRY, FERRY_TLS } from "./ferry.ts";
import { FILE_SERVER } from "./file_server.ts";
import { NGINX } from "./nginx.ts";
import { SCP, SFTP } from "./openssh.ts";
import type { Peer } from "./peer.ts";
import { RSYNC } from "./rsync.ts";
import { TUTORIAL } from "./tutorial.ts";
import { VSFTPD } from "./vsftpd.ts";

/** All peers; Ferry is the first. */
export const PEERS: readonly Peer[] = [FERRY, FERRY_TLS, NGINX, RSYNC, SFTP, SCP, VSFTPD, FILE_SERVER, TUTORIAL];
