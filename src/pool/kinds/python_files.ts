/**
 * Owns where the files of Python tasks lie on the disk: where they are, or, of those that a bundle carries, in a folder of the
 * run's own.
 * Must not know what is in them.
 * Invariant: a folder that it has made is for this user alone, and gone when the run is over.
 */
import { fromBase64 } from "../../base/base64.ts";
import type { Runtime } from "../../runtime/port.ts";

/** The files of one run. */
export class PythonFiles {
  readonly #runtime: Runtime;
  /** By the files of a bundle: the folder that they are in. */
  readonly #carried: Map<string, { folder?: Promise<string>; path?: string }> = new Map();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Path of a file, which is on the disk then. @throws {Error} If it can't be put there. */
  async place(url: string): Promise<string> {
    if (!url.startsWith("data:")) return this.#runtime.filePath(url);
    const { all } = partsOf(url);
    const entry = this.#entry(all);
    entry.path = await (entry.folder ??= unpack(this.#runtime, all));
    return this.known(url);
  }

  /** Path of a file that has been placed. */
  known(url: string): string {
    if (!url.startsWith("data:")) return this.#runtime.filePath(url);
    const { all, name } = partsOf(url);
    return `${this.#entry(all).path}/${name}`;
  }

  /** Removes what it has made. */
  async remove(): Promise<void> {
    for (const { folder } of this.#carried.values()) {
      const path = await folder?.catch(() => undefined);
      if (path !== undefined) await this.#runtime.remove(path).catch(() => {});
    }
  }

  #entry(all: string) {
    let entry = this.#carried.get(all);
    if (entry === undefined) this.#carried.set(all, entry = {});
    return entry;
  }
}

/** The files of a bundle, and which one is meant. */
function partsOf(url: string): { readonly all: string; readonly name: string } {
  const at = url.indexOf("#");
  return { all: url.slice(0, at), name: url.slice(at + 1) };
}

async function unpack(runtime: Runtime, url: string): Promise<string> {
  const text = new TextDecoder().decode(fromBase64(url.slice(url.indexOf(",") + 1)));
  const files = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const folder = await runtime.makeTempFolder();
  for (const [name, content] of Object.entries(files)) {
    if (typeof content !== "string" || !isWithin(name)) {
      throw new Error(
        `The bundle carries ${JSON.stringify(name.slice(0, 200))}, which is no file in a folder of its own`,
      );
    }
    const path = `${folder}/${name}`;
    await runtime.makeFolder(path.slice(0, path.lastIndexOf("/")), 0o700);
    await runtime.writeText(path, content);
  }
  return folder;
}

/** Whether a relative path leads nowhere else. */
function isWithin(name: string): boolean {
  return /^[^\0\\]+$/.test(name) &&
    name.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
