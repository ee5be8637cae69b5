/**
 * Owns how something in a registry is named: `HOST/NAME:TAG@DIGEST`, and where that is.
 * Must not know how a registry is asked.
 * Invariant: only a registry on this machine, and one whose address says `http:`, is asked without TLS.
 */
import { isLoopback } from "../../base/loopback.ts";
import { DIGEST, isRepository, TAG } from "../../model/oci.ts";
import { RegistryError } from "./error.ts";

/** Something in a registry. */
export interface Reference {
  /** Address of the registry, without a slash at its end; nothing where the gateway is meant. */
  readonly registry: string | undefined;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/**
 * Reads a reference. What stands before the first slash is a host if it has a dot or a port, or is `localhost`; else the
 * gateway is meant. `http://` or `https://` before the host says how it is asked.
 *
 * @throws {RegistryError} If it is none.
 */
export function referenceIn(text: string): Reference {
  const [, scheme, rest] = /^(https?:\/\/)?(.*)$/s.exec(text)!;
  const [, name, tag, digest] = /^([^@]*?)(?::([^:/@]*))?(?:@(.*))?$/s.exec(rest!) ?? [];
  const slash = name?.indexOf("/") ?? -1;
  const first = slash < 0 ? "" : name!.slice(0, slash);
  const hasHost = scheme !== undefined || /[.:]/.test(first) || first === "localhost";
  const repository = hasHost ? name!.slice(slash + 1) : name;
  if (hasHost && !isHost(first)) throw wrong(text, `${JSON.stringify(first)} is no host`);
  if (repository === undefined || !isRepository(repository)) {
    throw wrong(text, "a name has a-z 0-9 . _ - and slashes between");
  }
  if (tag !== undefined && !TAG.test(tag)) throw wrong(text, "a tag has up to 128 of A-Z a-z 0-9 . _ -");
  if (digest !== undefined && !DIGEST.test(digest)) {
    throw wrong(text, "a digest is sha256: and 64 hexadecimal digits");
  }
  return { registry: hasHost ? addressOf(first, scheme) : undefined, repository, tag, digest };
}

/** What a registry is asked for: the digest, if there is one, since it can't be another tomorrow. */
export function referredBy({ tag, digest }: Reference): string {
  return digest ?? tag ?? "latest";
}

/** The reference as a person reads it. */
export function referenceText({ registry, repository, tag, digest }: Reference): string {
  const host = registry === undefined ? "" : `${registry.replace(/^https?:\/\//, "")}/`;
  return `${host}${repository}${tag === undefined ? "" : `:${tag}`}${
    digest === undefined ? "" : `@${digest}`
  }`;
}

function isHost(host: string): boolean {
  return /^(?:\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9.-]*)(?::\d{1,5})?$/i.test(host) &&
    URL.canParse(`http://${host}`);
}

function addressOf(host: string, scheme: string | undefined): string {
  // People know Docker's registry by another name than it has.
  const real = host === "docker.io" ? "registry-1.docker.io" : host;
  return `${scheme ?? (isLoopback(real.replace(/:\d+$/, "")) ? "http://" : "https://")}${real}`;
}

function wrong(text: string, why: string): RegistryError {
  return new RegistryError(
    `${
      JSON.stringify(text.slice(0, 300))
    } names nothing in a registry: ${why}: write HOST/NAME:TAG, or NAME:TAG at the gateway`,
  );
}
