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

/** Where a payload lies. */
export interface Block {
  readonly from: number;
  readonly bytes: number;
  readonly size: number;
}

/** Room for payloads. */
export class Payloads {
  readonly #texts: TextMemory;
  /** By size: where blocks of it begin that are free. */
  readonly #free: number[][] = Array.from({ length: SIZES }, () => []);
  #used = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#texts = new TextMemory(memory, ALONE);
  }

  /** Puts a payload in; nothing if it is too long, or there is no room. */
  put(payload: string): Block | undefined {
    // In bytes: each code unit takes three at most.
    const most = payload.length * 3;
    let size = 0;
    while (SMALLEST << size < most) if (++size === SIZES) return undefined;
    const from = this.#free[size]!.pop() ?? this.#more(SMALLEST << size);
    return from === undefined ? undefined : { from, bytes: this.#texts.write(payload, from), size };
  }

  giveBack({ from, size }: Block): void {
    this.#free[size]!.push(from);
  }

  #more(bytes: number): number | undefined {
    if (this.#used + bytes > PAYLOAD_BYTES) return undefined;
    this.#used += bytes;
    return this.#used - bytes;
  }
}
