/**
 * Owns gathering a body that comes in pieces, and the words for one that has another shape than is wanted.
 * Must not know what it means, nor how long it may take: its caller does.
 * Invariant: never more than the limit is held, however much is sent.
 */
import * as v from "valibot";
import { type Bytes, joined } from "../bytes.ts";
import { Refuse } from "./refuse.ts";

/** How a body is gathered. */
export interface Gathering {
  readonly maxBytes: number;
  /** Thrown when there are more. */
  readonly tooLarge: () => Refuse;
  /** Thrown when it is broken off. */
  readonly broken: () => Refuse;
  /** Rejects when it comes too slowly. */
  readonly late: Promise<never>;
  /** Told of each piece, and of how much it is with it. @throws If it need not go on. */
  readonly came?: (piece: Bytes, length: number) => void;
}

/** All of a body. Its stream is left as it was when something is thrown: whoever asked may read the rest, or cancel it. */
export async function wholeOf(
  body: ReadableStream<Bytes>,
  { maxBytes, tooLarge, broken, late, came }: Gathering,
): Promise<Bytes> {
  const reader = body.getReader();
  const pieces: Bytes[] = [];
  let length = 0;
  try {
    for (;;) {
      const read = reader.read().catch(() => {
        throw broken();
      });
      const part = await Promise.race([read, late]);
      if (part.done) return joined(pieces, length);
      length += part.value.length;
      if (length > maxBytes) throw tooLarge();
      came?.(part.value, length);
      pieces.push(part.value);
    }
  } finally {
    reader.releaseLock();
  }
}

/** A body of the shape. @throws {Refuse} 422 if it has another, with each problem, or the first, and its place. */
export function checked<T>(
  schema: v.GenericSchema<unknown, T>,
  value: unknown,
  { first = false }: { readonly first?: boolean } = {},
): T {
  const result = v.safeParse(schema, value, { abortEarly: first });
  if (result.success) return result.output;
  throw new Refuse(422, "SHAPE", { message: `The body does not fit: ${problemsIn(result.issues)}` });
}

/** Longest text of one problem: it may quote what it is about. */
const MAX_PROBLEM = 300;

/** The first ten problems with their places, in one line. */
export function problemsIn(issues: readonly v.BaseIssue<unknown>[], whole: string = "the whole"): string {
  const lines = issues.slice(0, 10).map((issue) =>
    `${v.getDotPath(issue) ?? whole}: ${issue.message}`.slice(0, MAX_PROBLEM)
  );
  return lines.join("; ");
}
