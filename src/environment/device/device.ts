/**
 * Owns the environments that were fetched onto a device: a folder in which each lies under its hash, and one small file that
 * says which of them is started.
 * Must not know where they come from, who wants them, nor how one is started and found well.
 * Invariant: what `begin` gives has the hash that it was fetched by, whatever was killed or lost its power before; nothing is
 * changed but by one file that is written whole, and what is started is never written to.
 *
 *   DIR/device.json       standing.ts
 *   DIR/HASH/outrider     an environment's executable
 *   DIR/HASH.part         one that is not here whole
 */
import { messageOf } from "../../base/message.ts";
import { show } from "../../model/problem.ts";
import { EnvironmentError } from "../document/error.ts";
import { PART_BYTES, type PartId, partId, type PartPlace } from "../parts.ts";
import type { DeviceDisk } from "./device_disk.ts";
import {
  begun,
  type DeviceStanding,
  type EnvironmentId,
  foundWell,
  givenUp,
  isEnvironmentId,
  putOnTrial,
  standingIn,
  standingText,
  withoutCurrent,
} from "./standing.ts";

/** The file of an environment, as whoever wants it knows it. */
export interface WantedFile {
  readonly sha256: EnvironmentId;
  readonly bytes: number;
}

/** What is to be started. */
export interface Startable {
  readonly id: EnvironmentId;
  /** Of its executable. */
  readonly path: string;
  /** It is on trial: `foundWell` or `giveUp` has to follow. */
  readonly trial: boolean;
}

/** Largest file that is taken, bytes. */
const MAX_FILE_BYTES = 2 * 1024 ** 3;
const MAX_STANDING_BYTES = 64 * 1024;
/** Read at a time: whole parts. */
const CHUNK_BYTES = 16 * PART_BYTES;

/** The folder of one device. One process changes it at a time: who holds the state directory, or starts who does. */
export class Device {
  readonly #folder: string;
  readonly #disk: DeviceDisk;
  readonly #installed: string | undefined;

  /** @param installed Path of the program that is installed here, whose parts others may have. */
  constructor(folder: string, disk: DeviceDisk, installed?: string) {
    this.#folder = folder;
    this.#disk = disk;
    this.#installed = installed;
  }

  /** What it knows. @throws {Error} If the disk does not give it. */
  async standing(): Promise<DeviceStanding> {
    try {
      return standingIn(await this.#disk.readText(this.#path("device.json"), MAX_STANDING_BYTES));
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === "ENOENT") return {};
      throw error;
    }
  }

  /** How much of a file is here already; all of it, if it is. The rest is to be fetched from there on. */
  async held({ sha256, bytes }: WantedFile): Promise<number> {
    if (await this.#isWhole(sha256)) return bytes;
    const held = await this.#disk.sizeOf(this.#part(sha256));
    if (held <= bytes) return held;
    await this.#disk.remove(this.#part(sha256));
    return 0;
  }

  /** Where parts of a wanted file are here already: in what this device starts, would go back to, or was installed with. */
  async partsHere(wanted: readonly PartId[]): Promise<ReadonlyMap<PartId, PartPlace>> {
    const left = new Set(wanted);
    const here = new Map<PartId, PartPlace>();
    const { current, previous } = await this.standing();
    const fetched = [current, previous].flatMap((id) => id === undefined ? [] : [this.#executable(id)]);
    for (const path of [...fetched, ...(this.#installed === undefined ? [] : [this.#installed])]) {
      if (left.size === 0) break;
      // What can't be read has no parts: they are fetched.
      for await (const { id, at } of this.#partsOf(path)) if (left.delete(id)) here.set(id, { path, at });
    }
    return here;
  }

  /** Bytes that lie at a place here. @throws {Error} If they are no longer there. */
  async *bytesAt({ path, at }: PartPlace, bytes: number): AsyncGenerator<Uint8Array> {
    for (let done = 0; done < bytes;) {
      const piece = await this.#disk.read(path, at + done, Math.min(CHUNK_BYTES, bytes - done));
      if (piece.length === 0) throw new Error(`${path} has become shorter while it was read: ask again`);
      yield piece;
      done += piece.length;
    }
  }

  async *#partsOf(path: string): AsyncGenerator<{ readonly id: PartId; readonly at: number }> {
    try {
      for (let at = 0;;) {
        const chunk = await this.#disk.read(path, at, CHUNK_BYTES);
        if (chunk.length === 0) return;
        for (let from = 0; from < chunk.length; from += PART_BYTES) {
          yield { id: await partId(chunk.slice(from, from + PART_BYTES)), at: at + from };
        }
        at += chunk.length;
      }
    } catch {
      return;
    }
  }

  /**
   * Takes what comes of a file, behind what is held of it. What was taken before an error is held.
   *
   * @throws {EnvironmentError} If more comes than the file has, or the disk takes no more.
   */
  async take(file: WantedFile, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.#check(file);
    const held = await this.held(file);
    if (held === file.bytes) return;
    await this.#disk.makeFolder(this.#folder);
    const part = this.#part(file.sha256);
    try {
      await this.#disk.append(
        part,
        bounded(
          chunks,
          file.bytes - held,
          () => this.#error(`More comes than the ${file.bytes} bytes of the environment: it is another one`),
        ),
      );
    } catch (error) {
      const full = (error as { readonly code?: unknown }).code === "ENOSPC";
      // What can't be kept whole only takes the room that the run needs.
      if (full || error instanceof EnvironmentError) await this.#disk.remove(part);
      if (!full) throw error;
      throw this.#error(
        `There is no room for an environment of ${file.bytes} bytes: make room, then ask again`,
        error,
      );
    }
  }

  /**
   * Holds what was taken to its hash, and puts it where it can be started from.
   *
   * @throws {EnvironmentError} If it is not all there, or another: then it is removed.
   */
  async place(file: WantedFile): Promise<void> {
    this.#check(file);
    const { sha256, bytes } = file;
    if (await this.#isWhole(sha256)) return;
    const part = this.#part(sha256);
    const held = await this.#disk.sizeOf(part);
    if (held < bytes) {
      throw this.#error(`Of an environment of ${bytes} bytes only ${held} are here: fetch the rest`);
    }
    const found = await this.#disk.digestOf(part);
    if (found !== sha256) {
      await this.#disk.remove(part);
      throw this.#error(
        `What was fetched is not the environment that was asked for: its SHA-256 is ${found}, not ${sha256}`,
      );
    }
    await this.#disk.makeFolder(this.#path(sha256));
    await this.#disk.rename(part, this.#executable(sha256));
  }

  /** Has the next start try it. @throws {EnvironmentError} If it was not placed. */
  async putOnTrial(id: EnvironmentId): Promise<void> {
    if (!await this.#isWhole(id)) {
      throw this.#error(`The environment ${id} is not on this device: fetch it first`);
    }
    await this.#write(putOnTrial(await this.standing(), id));
  }

  /**
   * Says what to start now, and begins a trial that waits. Who calls this starts it.
   *
   * @returns Nothing: the program that is installed here.
   */
  async begin(): Promise<Startable | undefined> {
    // What can't be read is not written either: what is installed is started, and all stays for a better day.
    const found = await this.standing().catch((): DeviceStanding => ({}));
    const standing = begun(found);
    // Where the disk takes nothing, a trial that could not be noted would be begun again and again.
    if (found.trial !== undefined) {
      try {
        await this.#write(standing);
      } catch {
        return await this.#sound(givenUp(standing));
      }
    }
    const { trial } = standing;
    if (trial !== undefined && await this.#isWhole(trial.id)) {
      return { id: trial.id, path: this.#executable(trial.id), trial: true };
    }
    return await this.#sound(standing);
  }

  /** What is on trial is started from now on; what is neither it nor the one before goes. */
  async foundWell(): Promise<void> {
    const standing = foundWell(await this.standing());
    await this.#write(standing);
    await this.#clear(standing);
  }

  /** What is on trial goes; the next start is that of what was there before. */
  async giveUp(): Promise<void> {
    const standing = givenUp(await this.standing());
    await this.#write(standing);
    await this.#clear(standing);
  }

  /** What runs can't be started: the one before is, from now on. */
  async forgetCurrent(): Promise<void> {
    await this.#write(withoutCurrent(await this.standing()));
  }

  /** What of it is as it was fetched: memory cards forget. */
  async #sound({ current, previous }: DeviceStanding): Promise<Startable | undefined> {
    for (const id of [current, previous]) {
      if (id !== undefined && await this.#isWhole(id)) {
        return { id, path: this.#executable(id), trial: false };
      }
    }
    return undefined;
  }

  async #isWhole(id: EnvironmentId): Promise<boolean> {
    try {
      return await this.#disk.digestOf(this.#executable(id)) === id;
    } catch {
      return false;
    }
  }

  async #write(standing: DeviceStanding): Promise<void> {
    await this.#disk.makeFolder(this.#folder);
    try {
      await this.#disk.writeText(this.#path("device.json"), standingText(standing));
    } catch (error) {
      throw this.#error(`device.json can't be written: ${messageOf(error)}`, error);
    }
  }

  /** A failure here costs room and nothing else; the next one is tried. */
  async #clear({ current, previous, trial }: DeviceStanding): Promise<void> {
    const kept = new Set([current, previous, trial?.id]);
    for (const name of await this.#disk.list(this.#folder)) {
      const id = name.replace(/\.part$/, "");
      if (!isEnvironmentId(id) || kept.has(id)) continue;
      await this.#disk.remove(this.#path(name)).catch(() => {});
    }
  }

  /** A hash names a file here, so it has to be one. */
  #check({ sha256, bytes }: WantedFile): void {
    if (!isEnvironmentId(sha256)) {
      throw this.#error(
        `An environment is known by a SHA-256 in lower-case hexadecimal; received ${show(sha256)}`,
      );
    }
    if (Number.isSafeInteger(bytes) && bytes > 0 && bytes <= MAX_FILE_BYTES) return;
    throw this.#error(`An environment has 1 to ${MAX_FILE_BYTES} bytes; received ${show(bytes)}`);
  }

  #error(what: string, cause?: unknown): EnvironmentError {
    return new EnvironmentError(this.#folder, what, { cause });
  }

  #part(id: EnvironmentId): string {
    return this.#path(`${id}.part`);
  }

  #executable(id: EnvironmentId): string {
    return this.#path(`${id}/outrider`);
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`;
  }
}

async function* bounded(
  chunks: AsyncIterable<Uint8Array>,
  most: number,
  error: () => Error,
): AsyncGenerator<Uint8Array> {
  let left = most;
  for await (const chunk of chunks) {
    left -= chunk.length;
    if (left < 0) throw error();
    yield chunk;
  }
}
