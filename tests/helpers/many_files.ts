/** Makes files with names of some 200 bytes, so that 10,000 of them take more memory than one listing may have. */
export function makeFiles(directory: string, count: number): string[] {
  const names = Array.from({ length: count }, (_, i) => `${i * 7919 % count}-${"n".repeat(200)}`);
  Deno.mkdirSync(directory, { recursive: true });
  for (const name of names) Deno.writeTextFileSync(`${directory}/${name}`, "");
  return names.sort();
}
