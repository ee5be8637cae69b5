/**
 * Owns what serving an app is about on every runtime: the address it has, and what a failure means.
 * Must not know how a runtime listens; each adapter passes that in.
 * Invariant: nothing is served at another address than was asked for, and no app gets a request whose address is none.
 */
import { isLoopback } from "../base/loopback.ts";
import { HOSTNAME } from "../defaults.ts";
import { messageOf } from "../base/message.ts";
import { isIP } from "node:net";
import { descriptorLimit, openDescriptors, roomFor } from "./descriptors.ts";
import { type Door, Doors } from "./doors.ts";
import { type AppFetch, type Served, ServeError, type ServeOptions } from "./port.ts";
import { listenAtPath } from "./socket_path.ts";

/** Where to listen. */
export type ServedAt = { readonly hostname: string; readonly port: number } | { readonly path: string };

/** A server that listens, at a port or a Unix socket. Where the runtime counts no connections, it can be shut. */
export interface Listening extends Partial<Door> {
  /** Breaks off what is under way. */
  close(): Promise<void>;
  /** What the system says of where it listens; absent for a Unix socket. */
  readonly at?: { readonly address: string; readonly port: number };
}

/** Where and how to listen. `hostname` is always an IP address; `connections` is for runtimes that count them. */
export type ListenOptions = ServedAt & { readonly fetch: AppFetch; readonly connections: number };

/** Listens, the runtime's own way. */
export type Listen = (options: ListenOptions) => Promise<Listening>;

/** Connections, where nothing else is asked for. */
const CONNECTIONS = 1_000;
/** Descriptors that the rest of the process can't do without. */
const SPARE = 16;

/** Serves an app by means of `listen`. */
export async function serveWith(
  listen: Listen,
  { fetch: app, connections: wanted = CONNECTIONS, ...options }: ServeOptions,
): Promise<Served> {
  const fetch = addressed(app);
  const place = "path" in options ? options : { hostname: options.hostname ?? HOSTNAME, port: options.port };
  const connections = roomFor(wanted);
  const most = openDescriptors() + connections;
  const server = await listenAt(listen, { fetch, connections, ...place }).catch((error) => {
    throw error instanceof ServeError ? error : explained(error, place);
  });
  const port = server.at?.port ?? 0;
  const again = "path" in place ? place : { ...place, port };
  const open = async () => doorOf(await listenAt(listen, { fetch, connections, ...again }));
  const doors = server.shut === undefined
    ? server
    : new Doors(doorOf(server), { most, starving: descriptorLimit() - SPARE, open });
  let closed: Promise<void> | undefined;
  return {
    url: "path" in place ? `unix:${place.path}` : `http://${hostOf(place.hostname)}:${port}`,
    port,
    close: () => closed ??= doors.close(),
  };
}

/** Runtimes make the address of the Host header, whatever stands in it; on Bun it may be a path alone. */
function addressed(app: AppFetch): AppFetch {
  let last: string | undefined;
  return (request) => {
    const { url } = request;
    // What follows the host makes no address of it, nor takes that away: where it was right once, it is right again.
    const end = url.indexOf("/", SCHEME.length);
    const host = end < 0 ? undefined : url.slice(0, end);
    if (host === undefined || host !== last) {
      if (!URL.canParse(url)) {
        return new Response("The Host header is missing or no host: send the address that is asked\n", {
          status: 400,
        });
      }
      // Where there is none, what follows the slashes may be taken for it.
      if (host?.startsWith(SCHEME) && host !== SCHEME) last = host;
    }
    return app(request);
  };
}

/** How the address of a request begins; what stands before the next slash is its host. */
const SCHEME = "http://";

/**
 * Listens, and believes no one that it does so where it was asked to: a wrong name of an option is enough to let the whole
 * network in.
 */
async function listenAt(listen: Listen, options: ListenOptions): Promise<Listening> {
  if ("path" in options) {
    const { server, release } = await listenAtPath(options.path, (path) => listen({ ...options, path }));
    const { shut } = server;
    return {
      ...server,
      close: () => {
        release();
        return server.close();
      },
      ...(shut !== undefined && {
        shut: () => {
          release();
          return shut();
        },
      }),
    };
  }
  const address = await addressOf(options.hostname);
  const server = await listen({ ...options, hostname: address });
  const got = server.at?.address ?? "no address";
  if (canonical(got) === canonical(address)) return server;
  await server.close();
  throw new ServeError(
    `Could not listen on ${options.hostname}: the system gave ${got} instead of ${address}, which others may reach: choose another address`,
  );
}

function doorOf({ shut, close, failed }: Listening): Door {
  return { shut: shut ?? close, close, ...(failed !== undefined && { failed }) };
}

/** The IP address of a name, so that a name means the same on every runtime. */
async function addressOf(hostname: string): Promise<string> {
  if (isIP(hostname) !== 0) return hostname;
  const { lookup } = await import("node:dns/promises");
  const { address } = await lookup(hostname);
  if (hostname.toLowerCase() === "localhost" && !isLoopback(address)) {
    throw new ServeError(`Could not listen on localhost: it is ${address} here: write 127.0.0.1 instead`);
  }
  return address;
}

/** An IPv6 address can be written in several ways. */
function canonical(address: string): string {
  if (isIP(address) !== 6) return address;
  return new URL(`http://[${address.replace(/%.*$/, "")}]`).hostname;
}

/** How the address is written in a URL that this machine can ask. */
function hostOf(hostname: string): string {
  if (hostname === "0.0.0.0") return "127.0.0.1";
  if (hostname === "::") return "[::1]";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

function explained(error: unknown, place: ServedAt): ServeError {
  const where = "path" in place ? place.path : `${place.hostname}, port ${place.port}`;
  const { code } = error as { readonly code?: string };
  const message = messageOf(error);
  const advice = code === "EADDRINUSE"
    ? "another process has it: end that one, or choose another"
    : code === "EACCES" || code === "EPERM"
    ? `this user may not use it: choose another${"path" in place ? " path" : ", such as a port above 1023"}`
    : `${message}: choose another address`;
  return new ServeError(`Could not listen on ${where}: ${advice}`, { cause: error });
}
