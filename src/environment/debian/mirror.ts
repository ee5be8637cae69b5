/**
 * Owns where packages of Debian are fetched from: the mirror that OUTRIDER_DEBIAN_MIRROR names, else the one that this host's
 * apt uses.
 * Must not know what is fetched.
 * Invariant: no mirror is built in, so that nothing is asked that this machine was not set up for.
 */
import { runtime } from "../../runtime/runtime.ts";
import { fieldOf, paragraphs } from "./control.ts";
import { DebianError } from "./errors.ts";

/** The variable that names a mirror. */
export const MIRROR_VARIABLE = "OUTRIDER_DEBIAN_MIRROR";

const SOURCES = "/etc/apt";
const MAX_SOURCES_BYTES = 1024 ** 2;

/** Address of the mirror, without a slash at the end. @throws {DebianError} If none is known. */
export async function debianMirror(): Promise<string> {
  const named = runtime.env(MIRROR_VARIABLE);
  if (named !== undefined && named !== "") return checkMirror(named);
  for (const text of await aptSources()) {
    const found = mirrorIn(text);
    if (found !== undefined) return found;
  }
  throw new DebianError(
    `No mirror of Debian is known: set ${MIRROR_VARIABLE} to the address of one, the folder that has dists and pool`,
  );
}

/** The first mirror in a file of apt's sources, of either form; `undefined` if there is none. */
export function mirrorIn(text: string): string | undefined {
  const plain = text.replace(/^\s*#.*\n?/gm, "");
  const listed = [...plain.matchAll(/^\s*deb\s+(?:\[[^\]\n]*\]\s+)?(\S+)/gm)].map(([, address]) => address!);
  const written = paragraphs(plain).filter((each) =>
    /\bdeb\b/.test(fieldOf(each, "Types") ?? "") && fieldOf(each, "Enabled") !== "no"
  )
    .flatMap((each) => (fieldOf(each, "URIs") ?? "").split(/\s+/));
  const found = [...listed, ...written].find((address) => /^https?:\/\/.+\/debian\/?$/.test(address));
  return found?.replace(/\/+$/, "");
}

function checkMirror(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "") {
    return url.href.replace(/\/+$/, "");
  }
  throw new DebianError(`${MIRROR_VARIABLE} names no mirror: write it as https://HOST/debian`);
}

async function aptSources(): Promise<string[]> {
  const folder = `${SOURCES}/sources.list.d`;
  const files = (await runtime.list(folder)).filter((name) => /\.(list|sources)$/.test(name));
  const texts: string[] = [];
  for (const path of [`${SOURCES}/sources.list`, ...files.map((name) => `${folder}/${name}`)]) {
    // What can't be read is none of this host's sources; that no mirror is known is told in the end.
    const text = await runtime.readText(path, MAX_SOURCES_BYTES, "loose").catch(() => "");
    if (text !== "") texts.push(text);
  }
  return texts;
}
