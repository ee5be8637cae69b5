/**
 * Owns who may knock at a server that listens on one machine: the name it is asked by, and the page that asks.
 * Must not know what is asked for, nor what is said to who is kept out.
 * Invariant: no page of another origin, whatever name it reaches the address by, gets past.
 */
import { isLoopback } from "../loopback.ts";

/** What a door lets in. */
export interface Doorway {
  /** Names under which the server may be asked, beside `localhost` and loopback addresses; ports don't count. */
  readonly hosts: readonly string[];
  /** Whether any IP address will do: it can't be a name that someone else has pointed here. */
  readonly anyAddress: boolean;
  /** How the server's own pages are reached: by itself, or by a proxy that speaks TLS for it. */
  readonly schemes: readonly ("http" | "https")[];
}

/** Why a request is kept out; `shown` is what it said of itself. */
export interface KeptOut {
  readonly by: "host" | "origin";
  readonly shown?: string;
}

/** The port of a host; in an IPv6 address without brackets none can be told. */
const PORT = /(?<=^[^:]*|\]):\d{1,5}$/;
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;
const HERE = /^(?:127\.0\.0\.1|localhost)(?::\d{1,5})?$/;
const MAX_HOST = 300;

/** What keeps a request out, if anything. */
export function keptOut(
  { headers, url }: Pick<Request, "headers" | "url">,
  { hosts, anyAddress, schemes }: Doorway,
): KeptOut | undefined {
  // Where there is no Host header (HTTP/1.0, a test), the URL has it.
  const host = headers.get("host") ?? new URL(url).host;
  // Names that always mean this machine; a Unix socket's clients say `localhost`. Most say one of these, which is seen at once.
  if (
    !HERE.test(host) && !isLoopback(host.replace(PORT, "")) && !(anyAddress && ADDRESS.test(host)) &&
    !named(host, hosts)
  ) {
    return { by: "host", shown: host };
  }
  return foreignPage({ headers, url }, schemes);
}

/** The same of the page alone, where what lets in is bound to the name that the server is asked by, as a cookie is. */
export function foreignPage(
  { headers, url }: Pick<Request, "headers" | "url">,
  schemes: Doorway["schemes"],
): KeptOut | undefined {
  const origin = headers.get("origin");
  if (origin !== null) {
    const [given, own] = [origin.toLowerCase(), (headers.get("host") ?? new URL(url).host).toLowerCase()];
    if (!schemes.some((scheme) => given === `${scheme}://${own}`)) return { by: "origin", shown: origin };
  }
  // An image or a link of a page names no origin.
  const site = headers.get("sec-fetch-site");
  return site === null || site === "same-origin" || site === "none" ? undefined : { by: "origin" };
}

function named(host: string, hosts: readonly string[]): boolean {
  if (host.length > MAX_HOST) return false;
  const name = host.replace(/:\d{1,5}$/, "").toLowerCase();
  return hosts.some((allowed) => allowed.toLowerCase() === name);
}
