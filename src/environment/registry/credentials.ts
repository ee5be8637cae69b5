/**
 * Owns which user and password, or token, a registry is sent, from the file that `docker login` and the like write.
 * Must not know how they are sent. Programs that keep passwords elsewhere are not asked.
 */
import { readJson } from "../../model/json_text.ts";

/** What a registry is sent: a token as it is, or a user and a password. */
export type Credentials = { readonly token: string } | { readonly user: string; readonly password: string };

const MAX_FILE_BYTES = 1024 * 1024;

/** What is needed of the runtime. */
export interface CredentialsFrom {
  readonly env: (name: string) => string | undefined;
  readonly readText: (path: string, maxBytes: number) => Promise<string>;
}

/** What the file of `docker login` has for a registry; nothing where it has nothing, or there is none. */
export async function dockerCredentials(
  registry: string,
  { env, readText }: CredentialsFrom,
): Promise<Credentials | undefined> {
  const folder = env("DOCKER_CONFIG") ?? `${env("HOME") ?? ""}/.docker`;
  let text: string;
  try {
    text = await readText(`${folder}/config.json`, MAX_FILE_BYTES);
  } catch {
    return undefined;
  }
  const found = readJson(text, "").value as
    | { readonly auths?: Readonly<Record<string, unknown>> }
    | undefined;
  const { host } = new URL(registry);
  const names = host === "registry-1.docker.io" ? [host, "docker.io", "https://index.docker.io/v1/"] : [host];
  for (const name of names.flatMap((each) => [each, `https://${each}`, `http://${each}`])) {
    const entry = found?.auths?.[name] as { readonly auth?: unknown } | undefined;
    if (typeof entry?.auth === "string") return pairIn(entry.auth);
  }
  return undefined;
}

function pairIn(auth: string): Credentials | undefined {
  try {
    const pair = new TextDecoder().decode(Uint8Array.from(atob(auth), (each) => each.charCodeAt(0)));
    const colon = pair.indexOf(":");
    return colon < 0 ? undefined : { user: pair.slice(0, colon), password: pair.slice(colon + 1) };
  } catch {
    return undefined;
  }
}
