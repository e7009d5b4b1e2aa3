import { ConnectionPool } from "../../lib/client/connection_pool.ts";
import { RemoteStorage } from "../../lib/client/remote_storage.ts";
import { Served } from "../helpers/raw.ts";
import { testStorage } from "../storage/conformance.ts";

testStorage("RemoteStorage", async () => {
  const served = await Served.with();
  const pool = new ConnectionPool(served.address);
  return {
    storage: new RemoteStorage(pool),
    traits: { refusesLate: true, hasOneOwner: true },
    async [Symbol.asyncDispose]() {
      await pool.close();
      await served[Symbol.asyncDispose]();
    },
  };
});
