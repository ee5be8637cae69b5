/**
 * Owns what serving an app is about on every runtime: the address it has, sockets left behind, and what a failure means.
 * Must not know how a runtime listens; each adapter passes that in.
 * Invariant: a socket in use by a living process is never taken away.
 */
import { chmodSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { type AppFetch, type Served, ServeError, type ServeOptions } from "./port.ts";

/** Where to listen. */
export type Place = { readonly hostname: string; readonly port: number } | { readonly path: string };

/** Listens, the runtime's own way. `close` breaks off what is under way. */
export type Listen = (
  options: Place & { readonly fetch: AppFetch },
) => Promise<{ readonly port: number; close(): Promise<void> }>;

/** Serves an app by means of `listen`. */
export async function serveWith(listen: Listen, { fetch, ...options }: ServeOptions): Promise<Served> {
  const place = "path" in options
    ? options
    : { hostname: options.hostname ?? "127.0.0.1", port: options.port };
  if ("path" in place) await removeLeftBehind(place.path);
  const server = await listen({ fetch, ...place }).catch((error) => {
    throw explained(error, place);
  });
  if ("path" in place) chmodSync(place.path, 0o600);
  let closed: Promise<void> | undefined;
  return {
    url: "path" in place ? `unix:${place.path}` : `http://${hostOf(place.hostname)}:${server.port}`,
    port: server.port,
    close: () =>
      closed ??= server.close().then(() => {
        if ("path" in place) rmSync(place.path, { force: true });
      }),
  };
}

/** How the address is written in a URL that this machine can ask. */
function hostOf(hostname: string): string {
  if (hostname === "0.0.0.0") return "127.0.0.1";
  if (hostname === "::") return "[::1]";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

/** A socket that nobody listens on any more is removed: whoever made it was killed. */
function removeLeftBehind(path: string): Promise<void> {
  return new Promise((done) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      done();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") rmSync(path, { force: true });
      done();
    });
  });
}

function explained(error: unknown, place: Place): ServeError {
  const where = "path" in place ? place.path : `${place.hostname}, port ${place.port}`;
  const { code } = error as { readonly code?: string };
  const message = error instanceof Error ? error.message : String(error);
  const advice = code === "EADDRINUSE"
    ? "another process has it: end that one, or choose another"
    : code === "EACCES" || code === "EPERM"
    ? "this user may not use it: choose another, such as a port above 1023"
    : `${message}: choose another address`;
  return new ServeError(`Could not listen on ${where}: ${advice}`, { cause: error });
}
