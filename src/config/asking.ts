/**
 * Owns which variables the commands read that ask an executor or a gateway, or are a gateway, and what the end point's are
 * called in the environment of what tasks start.
 * Must not know the options of commands, nor who is asked.
 * Invariant: an empty variable counts as one that is not set.
 */
import type { ReadVariable } from "./serving.ts";

/** Which end point is meant. */
export interface NamedEndPoint {
  readonly url: string | undefined;
  readonly token: string | undefined;
  /** The Unix socket behind an address that is good for the rest of the URL. */
  readonly socket: string | undefined;
  /** Where an executor leaves its `http.json`. */
  readonly stateDir: string | undefined;
}

/** Which gateway is meant. */
export interface NamedGateway {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  /** Credentials for NATS servers. */
  readonly credsFile: string | undefined;
}

/** Variable with the gateway's own token. */
export const GATEWAY_TOKEN = "OUTRIDER_GATEWAY_TOKEN";

/** The end point that the environment names. */
export function endPointIn(env: ReadVariable): NamedEndPoint {
  return {
    url: env("OUTRIDER_URL") || undefined,
    token: env("OUTRIDER_TOKEN") || undefined,
    socket: env("OUTRIDER_SOCKET") || undefined,
    stateDir: env("OUTRIDER_STATE_DIR") || undefined,
  };
}

/** The variables that name an end point, for workers and what tasks start. */
export function endPointVariables(url: string, token: string): Readonly<Record<string, string>> {
  const socket = url.startsWith("unix:") ? url.slice(5) : undefined;
  return {
    OUTRIDER_URL: socket === undefined ? url : "http://localhost",
    OUTRIDER_TOKEN: token,
    // Also if there is none: that of a run around this one is not ours.
    OUTRIDER_SOCKET: socket ?? "",
  };
}

/** The gateway that the environment names. */
export function gatewayIn(env: ReadVariable): NamedGateway {
  return {
    url: env("OUTRIDER_GATEWAY") || undefined,
    token: env("OUTRIDER_TOKEN") || undefined,
    tokenFile: env("OUTRIDER_TOKEN_FILE") || undefined,
    credsFile: env("OUTRIDER_CREDS_FILE") || undefined,
  };
}

/** The token that a gateway asks for. */
export function gatewayTokenIn(env: ReadVariable): string | undefined {
  return env(GATEWAY_TOKEN) || undefined;
}

/** The keys that the environment says are trusted. */
export function trustIn(env: ReadVariable): string | undefined {
  return env("OUTRIDER_TRUST")?.trim() || undefined;
}
