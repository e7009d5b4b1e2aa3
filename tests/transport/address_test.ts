import { assert, assertEquals } from "@std/assert";
import { isLoopback, networkOf } from "../../lib/transport/address.ts";

Deno.test("networkOf() is the address with IPv4 and the /64 network with IPv6", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:192.0.2.1", "192.0.2.1"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:0"],
    ["2001:DB8:0:0:1:2:3:4", "2001:db8:0:0"],
    ["2001:0db8:0000:0001::", "2001:db8:0:1"],
    ["2001:db8:0:1:2:3:4:5", "2001:db8:0:1"],
    ["1:2:3::5:6:7:8", "1:2:3:0"],
    ["::1", "0:0:0:0"],
    ["::", "0:0:0:0"],
    ["unix", "unix"],
  ];
  for (const [address, network] of cases) assertEquals(networkOf(address), network, address);
});

Deno.test("isLoopback() is true for what only this machine can reach", () => {
  for (const own of ["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"]) {
    assertEquals(isLoopback(own), true, own);
  }
  for (
    const other of ["0.0.0.0", "::", "128.0.0.1", "::2", "127.0.0.1.example", "localhost.example", "::ffff:8.8.8.8"]
  ) {
    assertEquals(isLoopback(other), false, other);
  }
});

Deno.test("isLoopback() is true for what nobody else can reach, and for nothing that only looks like it", () => {
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) assert(isLoopback(host), host);
  const reachable = [
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "1127.0.0.1",
    "127.0.0.1.example",
    "localhost.example",
    "::11",
    "",
    "fe80::1",
  ];
  for (const host of reachable) assertEquals(isLoopback(host), false, host);
});
