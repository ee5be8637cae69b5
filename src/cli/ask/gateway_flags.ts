/**
 * Owns the options --gateway and --token, the same in every command that asks a gateway something.
 * Must not know what is done with them.
 */

/** To be spread into a command's flags. */
export const gatewayFlags: {
  readonly gateway: GatewayOption;
  readonly token: GatewayOption;
} = {
  gateway: {
    kind: "parsed",
    parse: String,
    optional: true,
    placeholder: "URL",
    brief: "Address of the gateway (default: OUTRIDER_GATEWAY)",
  },
  token: {
    kind: "parsed",
    parse: String,
    optional: true,
    placeholder: "TOKEN",
    brief:
      "Token for it (default: OUTRIDER_TOKEN or the file OUTRIDER_TOKEN_FILE, which no list of processes shows)",
  },
};

/** An option with a text. */
export interface GatewayOption {
  readonly kind: "parsed";
  readonly parse: (input: string) => string;
  readonly optional: true;
  readonly placeholder: string;
  readonly brief: string;
}
