import { isIPv4, isIPv6 } from "node:net";

/** `host:port`, with an IPv6 host in brackets. */
export function formatAddress({ hostname, port }: { hostname: string; port: number }): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/**
 * Whose address it is, for limits: with IPv6 one customer has at least a /64 network (RFC 6177), of which the first four
 * groups are given; an IPv4 address, also one mapped into IPv6 (RFC 4291, section 2.5.5.2), stands for itself.
 */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = address.toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail ? tail.split(":").length : 0;
  if (tail !== undefined) groups.push(...Array(Math.max(0, 8 - groups.length - after)).fill("0"), ...tail.split(":"));
  return groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":");
}

/** Whether an address is this machine's own, which nobody else can reach. */
export function isLoopback(hostname: string): boolean {
  const host = networkOf(hostname);
  return hostname === "localhost" || hostname === "::1" || isIPv4(host) && host.startsWith("127.");
}
