/**
 * A program for tests: begins an upload, says so on its standard output, and holds it until its standard input ends.
 *
 * Arguments: the directory to serve, the remote path.
 *
 * @module
 */
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { parseRemotePath } from "../../lib/core/remote_path.ts";

const [root = "", path = ""] = Deno.args;
const upload = await DirectoryStorage.open(root).upload(parseRemotePath(path));
await upload.write(new Uint8Array(100_000).fill(0xee));
console.log("holding");
await Deno.stdin.readable.pipeTo(new WritableStream());
await upload.abort();
