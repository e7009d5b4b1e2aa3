import { assertEquals, assertStringIncludes } from "@std/assert";
import { scene } from "../../helpers/scene.ts";

for (
  const words of [
    "get f - --retry-for 3",
    "get f - --connections 2",
    "get f - --durable",
    "get f - --no-clobber",
    "get f - --verify",
    "get -r f -",
    "put - f --retry-for 3",
    "put - f --connections 2",
    "put - f --checksum",
    "put -r - f",
  ]
) {
  Deno.test(`${words} is refused, since it would do nothing`, async () => {
    await using place = await scene({ f: "there" }, {});
    const { news } = await place.run(words, 2);
    assertStringIncludes(news, "- cannot be combined with --");
  });
}

Deno.test("get with a pattern and - says what to do, and a file of such a name is sent", async () => {
  await using place = await scene({ "f1": "1", "[ab]": "it" }, {});
  const { news, output } = await place.run("get f* -", 2);
  assertEquals([news, output], ['- takes one file, and "f*" is a pattern. Get what matches it into a directory', ""]);
  await place.run("get [ab] -");
});
