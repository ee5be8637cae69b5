/**
 * Owns what a message of `o.cmd.…` says: one instruction, numbered by its sequence, and those before it that still count.
 * Must not know what an instruction does, nor who is told.
 */
import * as v from "valibot";
import type { AnyInstruction } from "../protocol/messages.ts";
import { type Stored, unpackedValue } from "./jetstream.ts";

const Numbered = v.looseObject({ id: v.pipe(v.number(), v.safeInteger(), v.minValue(1)), type: v.string() });
const Written = v.looseObject({
  type: v.string(),
  before: v.optional(v.pipe(v.array(Numbered), v.maxLength(1000))),
});
/** What a message tells. */
export interface ToldInstructions {
  /** Its own, if it is one. */
  readonly own: readonly AnyInstruction[];
  /** Those before it; absent where it tells of none, as one that was not put there by a gateway. */
  readonly before: readonly AnyInstruction[] | undefined;
}

/** A message's own instruction, and those before it as far as it tells. What is no instruction is passed over. */
export async function instructionsIn({ seq, data }: Stored): Promise<ToldInstructions> {
  const read = v.safeParse(Written, await unpackedValue(data));
  if (!read.success) return { own: [], before: undefined };
  const { before, ...instruction } = read.output;
  return { own: [{ ...instruction, id: seq }], before };
}
