/**
 * Owns the files that a bundle carries beside its code: modules of other languages with what they import, and what else tasks
 * name.
 * Must not know what the files mean.
 * Invariant: files of one folder stay together, and a name in the bundle stands for one file.
 */
import type { CarriedFiles } from "../pipeline/document/bundle.ts";
import { BUNDLE_MODULE } from "../pipeline/document/bundle.ts";
import { resolveModule } from "../pipeline/load/modules.ts";
import { importedFiles } from "../run/loading.ts";
import { runtime } from "../runtime/runtime.ts";

/** Largest file that is carried, bytes. */
const MAX_FILE_BYTES: number = 4 * 1024 ** 2;

/** The files of one bundle in the making. */
export class Carried {
  readonly #base: string;
  /** Number of each folder. */
  readonly #folders: Map<string, number> = new Map();
  /** By path: the kind by which more is imported, if so. */
  readonly #wanted: Map<string, string | undefined> = new Map();

  /** @param base The `file:` URL that relative paths start at. */
  constructor(base: string) {
    this.#base = base;
  }

  /** Takes a file. @returns What stands for it; `undefined` for one that is carried already. */
  take(file: string, kind: string | undefined): string | undefined {
    const url = resolveModule(file, this.#base);
    if (typeof url !== "string" || url.startsWith("data:")) return undefined;
    const path = runtime.filePath(url);
    this.#wanted.set(path, kind ?? this.#wanted.get(path));
    return `${BUNDLE_MODULE}${this.#nameOf(path)}`;
  }

  /** Reads all that was taken; nothing if that is none. */
  async read(): Promise<CarriedFiles | undefined> {
    const files: Record<string, string> = {};
    for (const [path, kind] of this.#wanted) {
      const folder = folderOf(path);
      const names = kind === undefined ? [path.slice(folder.length + 1)] : await importedFiles(kind, path);
      for (const name of names) {
        const whole = `${folder}/${name}`;
        files[`${this.#number(folder)}/${name}`] = await runtime.readText(whole, MAX_FILE_BYTES);
      }
    }
    return this.#wanted.size === 0 ? undefined : files;
  }

  #nameOf(path: string): string {
    const folder = folderOf(path);
    return `${this.#number(folder)}/${path.slice(folder.length + 1)}`;
  }

  #number(folder: string): number {
    let number = this.#folders.get(folder);
    if (number === undefined) this.#folders.set(folder, number = this.#folders.size);
    return number;
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
