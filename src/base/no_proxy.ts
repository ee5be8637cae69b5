/**
 * Owns that what goes to this machine itself never goes through a proxy, whatever the environment says.
 * Must not know who asks whom.
 * Invariant: the variables that name exceptions only grow.
 *
 * All three runtimes send requests by HTTP_PROXY and its like, also those to loopback, and no option of a request turns that
 * off on all of them; the names in NO_PROXY do. Deno reads them with the first request, so they are set at the start. What
 * tasks start inherits them.
 */

import { isLoopback } from "./loopback.ts";

/** This machine, as each runtime reads it. */
const LOCAL: readonly string[] = ["localhost", "127.0.0.1", "::1", "[::1]", "127.0.0.0/8"];
/** The second is what many programs read alone. */
const VARIABLES = ["NO_PROXY", "no_proxy"] as const;

/** Where variables of the environment are read and set. */
export interface Environment {
  env(name: string): string | undefined;
  setEnv(name: string, value: string): void;
}

/** From now on requests to an address go there directly if it is this machine's own, also by one of its rarer names. */
export function askLocalDirectly(environment: Environment, url: string): void {
  const { hostname = "" } = URL.parse(url) ?? {};
  if (isLoopback(hostname)) askDirectly(environment, hostname);
}

/** From now on requests to this machine, and to `host`, go there directly. */
export function askDirectly({ env, setEnv }: Environment, host?: string): void {
  const before = VARIABLES.flatMap((name) => (env(name) ?? "").split(",")).map((each) => each.trim());
  const all = new Set([...before, ...LOCAL, ...(host === undefined ? [] : [host])]);
  all.delete("");
  const value = [...all].join(",");
  for (const name of VARIABLES) if (env(name) !== value) setEnv(name, value);
}
