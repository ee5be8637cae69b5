/**
 * Owns the lowest lane of a report: the files that a run keeps, one after the other, in pieces.
 * Must not know where files lie, nor how a gateway takes them.
 * Invariant: nothing is sent while records wait; a file counts as sent once the gateway has all of it and has found its
 * digest; where it goes on is what the gateway says that it has.
 *
 * | what comes back | what happens |
 * |---|---|
 * | how much is there | the next piece, from there; pieces grow |
 * | all of it is there | the next file |
 * | no answer, 408, 429, 5xx, another's word | back-off, and it is asked how much is there; a timeout halves the pieces |
 * | 413 of another's | pieces are halved |
 * | it goes on elsewhere, another has gone on | it is asked how much is there |
 * | the bytes have another digest | from the start, once; then the file is set aside |
 * | the gateway's own word that it does not take it | the file is set aside: it stays on the device |
 * | the file can't be read | back-off; after so many in a row it is set aside |
 */
import { Backoff } from "../../base/backoff.ts";
import type { Bytes } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/message.ts";
import type { Random } from "../../base/random.ts";
import { sleep } from "../../base/wait.ts";
import { isKeptFile, type KeptFile } from "../../model/file.ts";
import { pagesOf } from "../../model/record.ts";
import type { OpenFile } from "../../runtime/port.ts";
import { GatewayRefusedError, GatewayTimeoutError, UnreachableError, UplinkError } from "../errors.ts";
import type { HeldFile } from "../../protocol/messages.ts";
import type { FileLine } from "../gateway.ts";
import type { Numbered, RecordSource } from "../port.ts";
import { Pauses } from "./pauses.ts";

/** Least and most bytes of a piece, and those of the first. */
const PIECE = { least: 16 * 1024, first: 256 * 1024, most: 4 * 1024 * 1024 };
/** Slowest line on which a piece still gets through: bytes a millisecond. */
const SLOWEST = 2;
/** The gateway reads a file once more when it has all of it: bytes a millisecond, on the slowest disk. */
const SLOWEST_DISK = 10_000;
/** Times in a row that a file can't be read, or that the gateway knows no record of it, before it is set aside. */
const MAX_TRIES = 5;
/** State records that are looked through in one turn. */
const READ = 500;
/** Words by which a gateway says that it is asked something out of turn. */
const OUT_OF_TURN: readonly (string | undefined)[] = [
  "OVERTAKEN",
  "BLOB_UPLOAD_INVALID",
  "BLOB_UPLOAD_UNKNOWN",
];

/** Where the files of a run are read. */
export interface FileSource {
  /** Opens the bytes with a digest. */
  open(sha256: string): Promise<OpenFile>;
}

/** What the sender needs. */
export interface FileSenderOptions {
  readonly run: string;
  readonly line: FileLine;
  readonly source: FileSource;
  readonly records: Pick<RecordSource, "states">;
  /** Number of the last state record that was there as it was made; `Infinity` if nobody could read it. Later ones are told. */
  readonly upTo: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Whether nothing else waits to be sent. */
  ready(): boolean;
  /** Something was sent, or will not be. */
  onMoved(): void;
  onParked(file: KeptFile, reason: string): void;
  onError(error: UplinkError): void;
}

/** Sends the files of one run. */
export class FileSender {
  readonly #options: FileSenderOptions;
  readonly #backoff: Backoff;
  readonly #pauses: Pauses;
  /** By digest, in the order in which they were kept. */
  readonly #waiting: Map<string, KeptFile> = new Map();
  readonly #done: Set<string> = new Set();
  #looked = false;
  #piece = PIECE.first;

  constructor(options: FileSenderOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ random: options.random });
    this.#pauses = new Pauses({ clock: options.clock, signal: options.signal });
  }

  /** Files that wait to be sent; one at least until it has been looked for some. */
  get pending(): number {
    return this.#waiting.size + (this.#looked ? 0 : 1);
  }

  /** A record was appended. */
  appended(record: Numbered): void {
    const { type } = record as Numbered & { readonly type?: unknown };
    if (type !== "file.kept" || !isKeptFile(record)) return;
    const { name, sha256, bytes } = record as Numbered & KeptFile;
    if (!this.#done.has(sha256)) this.#waiting.set(sha256, { name, sha256, bytes });
    this.#pauses.wake();
  }

  /** Something has changed: looks whether there is something to send. */
  wake(): void {
    this.#pauses.wake();
  }

  /** The gateway was just heard: a pause that the network was to blame for is over. */
  online(): void {
    this.#pauses.online();
  }

  /** Sends until the signal is aborted. */
  async run(): Promise<void> {
    const { signal, ready, onMoved } = this.#options;
    await this.#look();
    onMoved();
    while (!signal.aborted) {
      const [file] = this.#waiting.values();
      if (file === undefined || !ready()) {
        await this.#pauses.news();
        continue;
      }
      if (!await this.#send(file)) continue;
      this.#done.add(file.sha256);
      this.#waiting.delete(file.sha256);
      onMoved();
    }
  }

  /** Finds the files of a run that was begun before. */
  async #look(): Promise<void> {
    const { records, upTo, clock, signal, onError } = this.#options;
    let after = 0;
    this.#looked = upTo === 0;
    while (!signal.aborted && !this.#looked) {
      try {
        for (const page of pagesOf((from) => records.states(from, READ), after)) {
          for (const record of page) this.appended(record);
          after = page.at(-1)!.seq;
          if (after >= upTo) break;
          await sleep(clock, 0, signal);
          if (signal.aborted) return;
        }
        this.#looked = true;
      } catch (error) {
        // The streams of the records say so too, and give up in time.
        if (!(error instanceof UplinkError)) throw error;
        onError(error);
        await sleep(clock, this.#backoff.next(), signal);
      }
    }
    this.#backoff.reset();
  }

  /** Sends a file as far as it may; returns whether there is nothing more to do about it. */
  async #send(file: KeptFile): Promise<boolean> {
    const { signal, ready } = this.#options;
    const tries = { unread: 0, unknown: 0, changed: 0 };
    let held: HeldFile | undefined;
    let reached = -1;
    while (!signal.aborted) {
      // What is more urgent goes in between.
      if (!ready()) {
        await this.#pauses.news();
        continue;
      }
      try {
        held = held === undefined ? await this.#held(file) : await this.#next(file, held);
        // To be told once more what is there is no progress.
        if (held.whole || held.bytes > reached) this.#backoff.reset();
        reached = Math.max(reached, held.bytes);
        if (held.whole) return true;
      } catch (error) {
        held = undefined;
        if (signal.aborted) return false;
        const because = error instanceof UplinkError
          ? this.#refused(error, tries)
          : ++tries.unread < MAX_TRIES
          ? undefined
          : `It can't be read: ${messageOf(error)}`;
        if (because !== undefined) {
          this.#options.onParked(file, because);
          return true;
        }
        await this.#pause(error);
      }
    }
    return false;
  }

  #held(file: KeptFile): Promise<HeldFile> {
    const { line, run, signal, timeoutMs } = this.#options;
    return line.held({ ...file, run }, {
      timeoutMs: timeoutMs + Math.ceil(file.bytes / SLOWEST_DISK),
      signal,
    });
  }

  /** Sends the next piece. */
  async #next(file: KeptFile, { bytes: at }: HeldFile): Promise<HeldFile> {
    const { line, run, signal, timeoutMs } = this.#options;
    const bytes = await this.#read(file, at);
    const last = at + bytes.length === file.bytes;
    const limit = timeoutMs + Math.ceil(bytes.length / SLOWEST) +
      (last ? Math.ceil(file.bytes / SLOWEST_DISK) : 0);
    const held = await line.send({ ...file, run }, { at, bytes }, { timeoutMs: limit, signal });
    this.#piece = Math.min(PIECE.most, this.#piece * 2);
    return held;
  }

  async #read({ sha256, bytes: size }: KeptFile, at: number): Promise<Bytes> {
    const most = Math.min(this.#piece, size - at);
    const file = await this.#options.source.open(sha256);
    try {
      const pieces = await file.read(at, most);
      if (pieces.length === 0 && most > 0) {
        throw new Error(`it has ${at} bytes, and had ${size} as it was kept`);
      }
      return pieces;
    } finally {
      await file.close();
    }
  }

  /** Why a file is set aside after a refusal; nothing if it is to be tried again. */
  #refused(error: UplinkError, tries: { unknown: number; changed: number }): string | undefined {
    this.#options.onError(error);
    if (error instanceof GatewayTimeoutError || error instanceof UnreachableError) this.#halve();
    if (!(error instanceof GatewayRefusedError)) return undefined;
    const { own, word, status, reason } = error;
    if (status === 413 && !own) this.#halve();
    if (!own) return undefined;
    if (word === "DIGEST_INVALID") return ++tries.changed > 1 ? reason : undefined;
    if (word === "NO_FILE") return ++tries.unknown >= MAX_TRIES ? reason : undefined;
    if (word === "NO_ROUTE") return "The gateway takes no files: it is of an older version";
    return word === "FILE_REFUSED" ? reason : undefined;
  }

  #halve(): void {
    this.#piece = Math.max(PIECE.least, Math.floor(this.#piece / 2));
  }

  async #pause(error: unknown): Promise<void> {
    const { clock, signal } = this.#options;
    if (error instanceof GatewayRefusedError && OUT_OF_TURN.includes(error.word)) {
      return await sleep(clock, this.#backoff.next(), signal);
    }
    if (error instanceof UnreachableError || error instanceof GatewayTimeoutError) {
      return await this.#pauses.network(this.#backoff.next());
    }
    const after = error instanceof UplinkError ? error.retryAfterMs : undefined;
    await sleep(clock, this.#backoff.next(after), signal);
  }
}
