/**
 * Owns a disk in memory that is cut off before a step of its user's choice, and that loses, as a power cut does, what was not
 * yet written for good.
 * Must not know who writes to it.
 * Invariant: what an operation has promised to be for good is there after the cut.
 */
import { type Bytes, sha256 } from "../../src/base/bytes.ts";
import type { DeviceDisk } from "../../src/environment/device/device_disk.ts";

/** The cut. */
export class Cut extends Error {}

/** What is on it, by path. */
type Files = Map<string, Bytes>;

/** A disk, with a count of the steps that it has made. */
export class LosingDisk implements DeviceDisk {
  steps = 0;
  #files: Files = new Map();
  readonly #cutBefore: number;
  readonly #half: boolean;
  readonly #error: (() => Error) | undefined;

  /** @param options Before which step it is cut; whether that step is half done; what it says if it only refuses. */
  constructor(
    options: { readonly cutBefore?: number; readonly half?: boolean; readonly error?: () => Error } = {},
  ) {
    this.#cutBefore = options.cutBefore ?? Infinity;
    this.#half = options.half ?? false;
    this.#error = options.error;
  }

  /** The same disk after the power is back. */
  again(options: ConstructorParameters<typeof LosingDisk>[0] = {}): LosingDisk {
    const disk = new LosingDisk(options);
    disk.#files = new Map(this.#files);
    return disk;
  }

  paths(): string[] {
    return [...this.#files.keys()].sort();
  }

  bytesOf(path: string): Bytes | undefined {
    return this.#files.get(path);
  }

  /** Changes a byte of a file, as an old memory card does. */
  spoil(path: string): void {
    this.#files.set(path, this.#files.get(path)!.map((byte, at) => at === 0 ? byte ^ 1 : byte));
  }

  readText(path: string): Promise<string> {
    const file = this.#files.get(path);
    if (file !== undefined) return Promise.resolve(new TextDecoder().decode(file));
    return Promise.reject(Object.assign(new Error("no such file"), { code: "ENOENT" }));
  }

  async writeText(path: string, text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    await this.#step(() => this.#files.set(path, bytes));
  }

  list(folder: string): Promise<string[]> {
    const inside = this.paths().filter((path) => path.startsWith(`${folder}/`));
    return Promise.resolve([...new Set(inside.map((path) => path.slice(folder.length + 1).split("/")[0]!))]);
  }

  async makeFolder(): Promise<void> {
    await this.#step(() => {});
  }

  async remove(path: string): Promise<void> {
    const gone = this.paths().filter((each) => each === path || each.startsWith(`${path}/`));
    await this.#step(
      () => gone.forEach((each) => this.#files.delete(each)),
      () => gone.slice(1).forEach((each) => this.#files.delete(each)),
    );
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step(() => {
      this.#files.set(to, this.#files.get(from)!);
      this.#files.delete(from);
    });
  }

  sizeOf(path: string): Promise<number> {
    return Promise.resolve(this.#files.get(path)?.length ?? 0);
  }

  async append(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of chunks) {
      const add = (bytes: Uint8Array) => {
        const before = this.bytesOf(path) ?? new Uint8Array();
        this.#files.set(path, new Uint8Array([...before, ...bytes]));
      };
      // Sizes reach a disk before contents do: what is not yet there reads as zeros.
      await this.#step(
        () => add(chunk),
        () => add(chunk.map((byte, at) => at * 2 < chunk.length ? byte : 0)),
      );
    }
  }

  read(path: string, at: number, most: number): Promise<Bytes> {
    const bytes = this.bytesOf(path);
    if (bytes === undefined) {
      return Promise.reject(Object.assign(new Error("no such file"), { code: "ENOENT" }));
    }
    return Promise.resolve(bytes.slice(at, at + most));
  }

  async digestOf(path: string): Promise<string | undefined> {
    const bytes = this.bytesOf(path);
    return bytes && await sha256(bytes);
  }

  #step(whole: () => void, half: () => void = () => {}): Promise<void> {
    if (this.steps++ === this.#cutBefore || this.steps > this.#cutBefore && this.#error === undefined) {
      if (this.#half) half();
      return Promise.reject(this.#error?.() ?? new Cut());
    }
    whole();
    return Promise.resolve();
  }
}
