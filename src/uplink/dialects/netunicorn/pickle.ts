/**
 * Owns pickles as Python reads them: JSON values, bytes, calls of names. Protocol 4, which every Python since 3.4 reads.
 * Must not know what is said in one.
 * Invariant: what is written is whole (it ends with STOP); nothing of another's making is ever read here.
 *
 * There is no FRAME: it only helps who reads from a slow file. A pickle that Python made can't stand inside another, since
 * each numbers its own memo: it goes in as bytes, and a call of `pickle.loads` opens it.
 */
import { type Bytes, joined } from "../../../base/bytes.ts";

/** A call of a name of a module, made by whoever reads the pickle. */
export class PickledCall {
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];

  constructor(module: string, name: string, args: readonly unknown[]) {
    this.module = module;
    this.name = name;
    this.args = args;
  }
}

/** Codes of the pickle machine, by the names that Python's pickletools has for them. */
const OP = {
  PROTO: 0x80,
  STOP: 0x2e,
  MARK: 0x28,
  NONE: 0x4e,
  NEWTRUE: 0x88,
  NEWFALSE: 0x89,
  BININT: 0x4a,
  LONG1: 0x8a,
  BINFLOAT: 0x47,
  BINUNICODE: 0x58,
  BINBYTES: 0x42,
  EMPTY_LIST: 0x5d,
  APPENDS: 0x65,
  EMPTY_DICT: 0x7d,
  SETITEMS: 0x75,
  TUPLE: 0x74,
  REDUCE: 0x52,
  STACK_GLOBAL: 0x93,
  MEMOIZE: 0x94,
  LONG_BINGET: 0x6a,
} as const;

/** Bytes written at a time. */
const PIECE = 64 * 1024;

/** A pickle of JSON values, `Uint8Array` and calls. */
export function pickle(value: unknown): Bytes {
  const pickler = new Pickler();
  pickler.put(value);
  return pickler.end();
}

class Pickler {
  readonly #pieces: Uint8Array[] = [];
  #piece: Uint8Array<ArrayBuffer> = new Uint8Array(PIECE);
  #length = 0;
  /** What calls name, by its number in the memo. */
  readonly #names: Map<string, number> = new Map();

  constructor() {
    this.#bytes(OP.PROTO, 4);
  }

  end(): Bytes {
    this.#bytes(OP.STOP);
    this.#flush();
    return joined(this.#pieces, lengthOf(this.#pieces));
  }

  put(value: unknown): void {
    if (value === null || value === undefined) this.#bytes(OP.NONE);
    else if (typeof value === "boolean") this.#bytes(value ? OP.NEWTRUE : OP.NEWFALSE);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "string") this.#text(value);
    else if (value instanceof Uint8Array) this.#blob(OP.BINBYTES, value);
    else if (value instanceof PickledCall) this.#call(value);
    else if (Array.isArray(value)) this.#list(value);
    else this.#dict(value as Readonly<Record<string, unknown>>);
  }

  #list(values: readonly unknown[]): void {
    this.#bytes(OP.EMPTY_LIST, OP.MARK);
    for (const value of values) this.put(value);
    this.#bytes(OP.APPENDS);
  }

  #dict(values: Readonly<Record<string, unknown>>): void {
    this.#bytes(OP.EMPTY_DICT, OP.MARK);
    for (const [key, value] of Object.entries(values)) {
      this.#text(key);
      this.put(value);
    }
    this.#bytes(OP.SETITEMS);
  }

  #call({ module, name, args }: PickledCall): void {
    const key = `${module} ${name}`;
    const at = this.#names.get(key);
    if (at === undefined) {
      this.#text(module);
      this.#text(name);
      this.#bytes(OP.STACK_GLOBAL, OP.MEMOIZE);
      this.#names.set(key, this.#names.size);
    } else this.#sized(OP.LONG_BINGET, at);
    this.#bytes(OP.MARK);
    for (const value of args) this.put(value);
    this.#bytes(OP.TUPLE, OP.REDUCE);
  }

  /** Whole numbers that are exact become `int`, all others `float`; -0 is only a float. */
  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value === (value | 0)) return this.#sized(OP.BININT, value);
      this.#bytes(OP.LONG1, 8);
      const view = this.#view(8);
      return view.setBigInt64(0, BigInt(value), true);
    }
    this.#bytes(OP.BINFLOAT);
    this.#view(8).setFloat64(0, value);
  }

  #text(text: string): void {
    this.#blob(OP.BINUNICODE, text.isWellFormed() ? new TextEncoder().encode(text) : surrogatesPassed(text));
  }

  #blob(op: number, bytes: Uint8Array): void {
    this.#sized(op, bytes.length);
    if (bytes.length <= PIECE - this.#length) {
      this.#piece.set(bytes, this.#length);
      this.#length += bytes.length;
      return;
    }
    this.#flush();
    this.#pieces.push(bytes);
  }

  #sized(op: number, size: number): void {
    this.#bytes(op);
    this.#view(4).setInt32(0, size, true);
  }

  #bytes(...bytes: readonly number[]): void {
    const view = this.#view(bytes.length);
    bytes.forEach((byte, at) => view.setUint8(at, byte));
  }

  /** Room for so many bytes. */
  #view(length: number): DataView {
    if (length > PIECE - this.#length) this.#flush();
    const view = new DataView(this.#piece.buffer, this.#length, length);
    this.#length += length;
    return view;
  }

  #flush(): void {
    this.#pieces.push(this.#piece.subarray(0, this.#length));
    this.#piece = new Uint8Array(PIECE);
    this.#length = 0;
  }
}

/** UTF-8 in which half a pair stands as three bytes of its own, as Python writes and reads it in pickles. */
function surrogatesPassed(text: string): Uint8Array {
  const encoder = new TextEncoder();
  const pieces = Array.from(text, (character) => {
    const code = character.codePointAt(0)!;
    if (code < 0xd800 || code > 0xdfff) return encoder.encode(character);
    return Uint8Array.of(0xe0 | code >> 12, 0x80 | code >> 6 & 0x3f, 0x80 | code & 0x3f);
  });
  return joined(pieces, lengthOf(pieces));
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((length, piece) => length + piece.length, 0);
}
