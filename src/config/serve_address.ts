/**
 * Owns how the address of the end point is written.
 * Must not know how it is served.
 */
import { concealedAddress } from "../base/concealed.ts";
import { HOSTNAME } from "../defaults.ts";

/** The end point can't be served as it was asked for. */
export class ServingError extends Error {
  readonly code = "OUTRIDER_SERVING";
  override name = "ServingError";
}

/** Where to listen. */
export type ServeAddress = { readonly hostname: string; readonly port: number } | { readonly path: string };

/** Reads `HOST:PORT`, `HOST`, `:PORT`, `PORT` or `unix:PATH`; nothing is any free port of 127.0.0.1. @throws {ServingError} */
export function serveAddress(text: string): ServeAddress {
  if (text.startsWith("unix:")) {
    const path = text.slice(5).replace(/^\/\/(?=\/)/, "");
    if (path !== "") return { path };
  }
  const match = /^(\[[0-9a-f:.]+\]|[^\s:/[\]]*)(?::(\d{1,5}))?$/i.exec(
    /^\d{1,5}$/.test(text) ? `:${text}` : text,
  );
  const port = Number(match?.[2] ?? 0);
  if (match === null || port > 65_535) {
    throw new ServingError(
      `Can't serve on ${
        JSON.stringify(concealedAddress(text.slice(0, 1_000)).slice(0, 100))
      }: write HOST:PORT such as 127.0.0.1:8080, or unix:/path/to/socket`,
    );
  }
  const hostname = match[1]!.replace(/^\[|\]$/g, "");
  return { hostname: hostname === "" ? HOSTNAME : hostname, port };
}

/** Whether a text can be read as an address. */
export function isServeAddress(text: string): boolean {
  try {
    serveAddress(text);
    return true;
  } catch {
    return false;
  }
}
