/**
 * Owns how the command line finds a registry: the gateway with its token, or another with what `docker login` has kept.
 * Must not know what is asked of it.
 * Invariant: the gateway's token goes to the gateway alone.
 */
import { systemClock } from "../../base/clock.ts";
import { askLocalDirectly } from "../../base/no_proxy.ts";
import { gatewayIn } from "../../config/asking.ts";
import { type Credentials, dockerCredentials } from "../../environment/registry/credentials.ts";
import { RegistryLine } from "../../environment/registry/line.ts";
import type { FoundManifest } from "../../environment/registry/pull.ts";
import { type Reference, referenceIn } from "../../environment/registry/reference.ts";
import { checkToken, tokenIn } from "../../protocol/token.ts";
import type { Taken } from "../../trust/versions.ts";
import { checkAddress } from "../../uplink/http/address.ts";
import type { CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import type { Trust } from "../run/trusted.ts";
import type { GatewayFlags } from "./gateway_options.ts";

/** What is meant, and the line to where it is. */
export interface NamedInRegistry {
  readonly reference: Reference;
  readonly line: RegistryLine;
}

/** The registry that a reference names. */
export async function registryOf(
  text: string,
  flags: GatewayFlags,
  runtime: Pick<CliRuntime, "env" | "setEnv" | "readText">,
): Promise<NamedInRegistry> {
  const reference = referenceIn(text);
  const line = reference.registry === undefined
    ? await gatewayLine(flags, runtime)
    : await lineTo(reference.registry, flags, runtime);
  return { reference, line };
}

/** Holds the record of an environment in a registry to the keys that are trusted. @throws {TrustError} */
export async function trustedAt(
  delivery: { readonly line: RegistryLine; readonly repository: string },
  { found, text }: { readonly found: FoundManifest; readonly text: string },
  trusting: Trust,
): Promise<Taken> {
  const { recordSignatures } = await import("../../environment/registry/vouchers.ts");
  const { trustedRecord } = await import("../run/trusted.ts");
  const signatures = recordSignatures(delivery, found.descriptor.digest);
  return await trustedRecord({ text, signatures }, trusting);
}

/** The line to the gateway that options or the environment name. */
export async function gatewayLine(
  flags: GatewayFlags,
  runtime: Pick<CliRuntime, "env" | "setEnv" | "readText">,
): Promise<RegistryLine> {
  const named = gatewayIn(runtime.env);
  const url = flags.gateway ?? named.url;
  if (!url) {
    throw new UsageError(
      "It is not said which registry is meant: write HOST/NAME:TAG, or for the gateway set OUTRIDER_GATEWAY or give --gateway URL",
    );
  }
  const token = flags.token ?? named.token;
  const kept = token ?? (named.tokenFile ? tokenIn(await runtime.readText(named.tokenFile)) : undefined);
  return opened(checkAddress(url), kept === undefined ? undefined : { token: checkToken(kept) }, runtime);
}

async function lineTo(
  registry: string,
  flags: GatewayFlags,
  runtime: Pick<CliRuntime, "env" | "setEnv" | "readText">,
): Promise<RegistryLine> {
  const gateway = flags.gateway ?? gatewayIn(runtime.env).url;
  // Whoever writes the gateway's own host means the gateway.
  if (gateway && URL.parse(gateway)?.host === new URL(registry).host) {
    return await gatewayLine(flags, runtime);
  }
  const { env, readText } = runtime;
  return opened(registry, await dockerCredentials(registry, { env, readText }), runtime);
}

function opened(
  url: string,
  credentials: Credentials | undefined,
  runtime: Pick<CliRuntime, "env" | "setEnv">,
): RegistryLine {
  askLocalDirectly(runtime, url);
  return new RegistryLine({
    url,
    credentials,
    fetch: (address, init) => fetch(address, init),
    clock: systemClock,
    random: Math.random,
  });
}
