import { assertEquals, assertStringIncludes } from "@std/assert";
import { relativeTo, remoteBasename, resolveRemote } from "../../../lib/cli/client/resolve_path.ts";
import { parseRemotePath } from "../../../lib/core/remote_path.ts";
import { assertThrowsCode } from "../../helpers/failures.ts";

const CHINESE = "天线 测试 报告.pdf";

Deno.test("resolveRemote() resolves names as cd does", () => {
  const cases: [cwd: string, name: string, path: string][] = [
    ["", "a", "a"],
    ["", ".", ""],
    ["", "/", ""],
    ["", "/a/b", "a/b"],
    ["", "./a/./b", "a/b"],
    ["", "a/", "a"],
    ["", "a/..", ""],
    ["", "a/../b", "b"],
    ["a/b", "..", "a"],
    ["a/b", "../..", ""],
    ["a/b", "../c", "a/c"],
    ["a/b", "/c", "c"],
    ["a/b", "/", ""],
    ["a/b", ".", "a/b"],
    ["a/b", "c/", "a/b/c"],
    ["测量", CHINESE, `测量/${CHINESE}`],
    ["", "...", "..."],
    ["", "a\\..\\b", "a\\..\\b"],
    ["", "a//b", "a/b"],
    ["c", "a//b///", "c/a/b"],
    ["c", "//a", "a"],
    ["c", "//", ""],
  ];
  for (const [cwd, name, path] of cases) assertEquals(resolveRemote(cwd, name), path, `${cwd} + ${name}`);
});

Deno.test("resolveRemote() refuses to leave the served directory", () => {
  const cases: [string, string][] = [["", ".."], ["", "../x"], ["", "a/../../x"], ["", "/.."], ["a", "/../a"]];
  cases.push(["a", "../.."], ["a/b", "../../../a/b"], ["", "x/../.."]);
  for (const [cwd, name] of cases) {
    const { message } = assertThrowsCode("InvalidPath", () => resolveRemote(cwd, name), `${cwd} + ${name}`);
    assertStringIncludes(message, "leads out of the served directory");
  }
});

Deno.test("resolveRemote() leaves what is wrong in a name for the server to refuse", () => {
  for (const name of ["a\0b", "", "x/.ferry-1.part"]) {
    assertThrowsCode("InvalidPath", () => parseRemotePath(resolveRemote("", name), false), JSON.stringify(name));
  }
  assertThrowsCode("InvalidPath", () => parseRemotePath(resolveRemote("a", ""), false), "empty in a directory");
});

Deno.test("remoteBasename() gives the last name", () => {
  assertEquals(["a", "a/b", "测量/曲线.csv", ""].map(remoteBasename), ["a", "b", "曲线.csv", ""]);
});

Deno.test("relativeTo() gives what resolveRemote() takes back to the path", () => {
  const cases: [cwd: string, path: string, shown: string][] = [
    ["", "a/b", "a/b"],
    ["a", "a/b/c", "b/c"],
    ["a", "ab", "/ab"],
    ["a", "a", "/a"],
    ["a/b", "a/c", "/a/c"],
    ["测量", `测量/${CHINESE}`, CHINESE],
  ];
  for (const [cwd, path, shown] of cases) {
    assertEquals(relativeTo(cwd, path), shown);
    assertEquals(resolveRemote(cwd, shown), path);
  }
});
