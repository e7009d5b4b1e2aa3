import type { Storage } from "../../lib/storage/storage.ts";
import type { Define, Traits } from "./conformance/define.ts";
import { testModes, testSetMetadata, testSignals } from "./conformance/metadata.ts";
import { testDigest, testRead, testStat } from "./conformance/read.ts";
import { testList, testMkdir, testRemove, testRename } from "./conformance/tree.ts";
import { testUpload, testUploadFailures } from "./conformance/upload.ts";

/** An empty storage that goes away at the end of its scope. */
export interface StorageUnderTest extends AsyncDisposable {
  readonly storage: Storage;
  readonly traits?: Traits;
}

/**
 * Defines the tests that every backend must pass.
 *
 * @param name The name of the class, for the names of the tests.
 * @param makeStorage Makes an empty storage; called once for every test.
 */
export function testStorage(name: string, makeStorage: () => Promise<StorageUnderTest>): void {
  const define: Define = (symbol, does, test) =>
    Deno.test(`${name}.${symbol}() ${does}`, async () => {
      await using place = await makeStorage();
      await test(place.storage, place.traits ?? {});
    });
  testStat(define);
  testRead(define);
  testUpload(define);
  testUploadFailures(define);
  testList(define);
  testMkdir(define);
  testRename(define);
  testRemove(define);
  testDigest(define);
  testModes(define);
  testSetMetadata(define);
  testSignals(define);
}
