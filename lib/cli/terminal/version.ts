import configuration from "../../../deno.json" with { type: "json" };

/** Ferry's version; the protocol has its own. */
export const VERSION: string = configuration.version;
