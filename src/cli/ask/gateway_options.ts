/**
 * Owns what the commands of a gateway's user share: where the gateway is, and the token.
 * Must not know what is asked of it.
 */
import { systemClock } from "../../base/clock.ts";
import { askLocalDirectly } from "../../base/no_proxy.ts";
import { gatewayIn } from "../../config/asking.ts";
import { tokenIn } from "../../protocol/token.ts";
import { userGateway } from "../../uplink/user.ts";
import type { UserGateway } from "../../uplink/user.ts";
import type { CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";

/** Options of every such command. */
export interface GatewayFlags {
  readonly gateway?: string;
  readonly token?: string;
}

/** The user's side of the gateway that options or the environment name. */
export function gatewayOf(
  flags: GatewayFlags,
  runtime: Pick<CliRuntime, "env" | "setEnv" | "readText">,
): UserGateway {
  const { readText } = runtime;
  const named = gatewayIn(runtime.env);
  const url = flags.gateway ?? named.url;
  const token = flags.token ?? named.token;
  const file = token ? undefined : named.tokenFile;
  if (!url) {
    throw new UsageError("It is not said which gateway to ask: set OUTRIDER_GATEWAY, or give --gateway URL");
  }
  askLocalDirectly(runtime, url);
  return userGateway({
    url,
    ...(token ? { token } : {}),
    ...(file ? { renewToken: async () => tokenIn(await readText(file)) } : {}),
    fetch: (address, init) => fetch(address, init),
    clock: systemClock,
    random: Math.random,
  });
}
