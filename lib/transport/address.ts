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
  return groupsOf(address).slice(0, 4).join(":");
}

/** The eight groups of an IPv6 address in hex, without zeros before them. */
function groupsOf(address: string): string[] {
  const [head = "", tail] = address.toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail ? tail.split(":") : [];
  if (tail !== undefined) groups.push(...Array(Math.max(0, 8 - groups.length - after.length)).fill("0"), ...after);
  return groups.map((group) => group.replace(/^0+(?=.)/, ""));
}

/** The 4 or 16 bytes of an IP address, none for anything else, and for an address with a zone. */
export function addressBytes(address: string): Uint8Array<ArrayBuffer> | undefined {
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
  if (!isIPv6(address) || address.includes("%")) return undefined;
  // It turns an IPv4 address at the end into groups.
  const { hostname } = new URL(`http://[${address}]`);
  const groups = groupsOf(hostname.slice(1, -1)).map((group) => parseInt(group, 16));
  return Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
}

/** The IP address of 4 or 16 bytes, as RFC 5952 writes it. */
export function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8 | (bytes[2 * i + 1] ?? 0)).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** Whether an address is this machine's own, which nobody else can reach. */
export function isLoopback(hostname: string): boolean {
  const host = networkOf(hostname);
  return hostname === "localhost" || hostname === "::1" || isIPv4(host) && host.startsWith("127.");
}
