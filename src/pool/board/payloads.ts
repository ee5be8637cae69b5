/**
 * Owns the room for the payloads of what hangs on the board: blocks of a few sizes, each used again when it is free.
 * Must not know what a payload says.
 * Invariant: a block is one attempt's until it is given back.
 */
import { ALONE, TextMemory } from "../ring/text.ts";
import { PAYLOAD_BYTES } from "./memory.ts";

/** The smallest block, in bytes; each size is twice the one before. */
const SMALLEST = 256;
/** The largest: 64 KiB. */
const SIZES = 9;
const NONE = -1;

/** Room for payloads. */
export class Payloads {
  readonly #texts: TextMemory;
  /** By size: where blocks of it begin that are free. */
  readonly #free: number[][] = Array.from({ length: SIZES }, () => []);
  #used = 0;
  /** Where the payload that was put in last begins, and how many bytes it takes. */
  from = 0;
  bytes = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#texts = new TextMemory(memory, ALONE);
  }

  /** Puts a payload in; the size of its block, or -1 if it is too long, or there is no room. */
  put(payload: string): number {
    // In bytes: each code unit takes three at most.
    const most = payload.length * 3;
    let size = 0;
    while (SMALLEST << size < most) if (++size === SIZES) return NONE;
    const free = this.#free[size]!;
    const from = free.length > 0 ? free.pop()! : this.#more(SMALLEST << size);
    if (from === NONE) return NONE;
    this.from = from;
    this.bytes = this.#texts.write(payload, from);
    return size;
  }

  giveBack(from: number, size: number): void {
    this.#free[size]!.push(from);
  }

  #more(bytes: number): number {
    if (this.#used + bytes > PAYLOAD_BYTES) return NONE;
    this.#used += bytes;
    return this.#used - bytes;
  }
}
