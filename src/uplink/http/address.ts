/**
 * Owns the address of a gateway that is asked by HTTP, and that one on this machine is asked without a proxy.
 * Must not know what is asked.
 */
import { concealedAddress } from "../../base/concealed.ts";
import { askLocalDirectly, type Environment } from "../../base/no_proxy.ts";
import { AddressError } from "../errors.ts";
import type { Fetch } from "../port.ts";

/** The schemes of HTTP, the one to recommend first. */
export const HTTP_SCHEMES: readonly string[] = ["https:", "http:"];

/** The runtime's `fetch`, for requests to one address. */
export function fetchFor(url: string, environment: Environment): Fetch {
  askLocalDirectly(environment, url);
  return (target, init) => fetch(target, init);
}

/** The address without a slash at its end. @throws {AddressError} If it is none, of another protocol, or holds a password. */
export function checkAddress(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new AddressError(
      `The gateway's address can't be read: ${
        JSON.stringify(concealedAddress(text))
      }: write it as https://HOST:PORT`,
      { cause },
    );
  }
  if (!HTTP_SCHEMES.includes(url.protocol)) {
    throw new AddressError(
      `The gateway's address starts with ${url.protocol}: write it as https://HOST:PORT`,
    );
  }
  if (url.username || url.password) {
    throw new AddressError("The gateway's address holds a user or password: put the token in OUTRIDER_TOKEN");
  }
  return (url.origin + url.pathname).replace(/\/+$/, "");
}
