import configuration from "../../../deno.json" with { type: "json" };

/** The version of Ferry, the protocol aside. */
export const VERSION: string = configuration.version;
