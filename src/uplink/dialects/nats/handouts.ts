/**
 * Owns how an executor is given a pipeline: the newest assignment to it or one of its groups, and the bundle in its pieces.
 * Must not know what a bundle holds, nor when it is asked for.
 * Invariant: a bundle is handed on only when it is whole and has the hash that was named; the pieces that came are kept for
 * the next attempt.
 */
import * as v from "valibot";
import { joined, sha256 } from "../../../base/bytes.ts";
import { type JetStream, type Stored, unpackedValue } from "../../../fleet/jetstream.ts";
import {
  addressees,
  assignmentOf,
  CHUNK_BYTES,
  FLEET_STREAMS,
  SUBJECTS,
  tagOfAssignment,
} from "../../../fleet/words.ts";
import { BundleHashError, GatewayAnswerError } from "../../errors.ts";
import type { CallOptions, Pulled } from "../../gateway.ts";
import { MAX_BUNDLE_BYTES } from "../bounds.ts";

const Assignment = v.looseObject({
  hash: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  chunks: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_BUNDLE_BYTES / CHUNK_BYTES)),
});

/** In the place of an assignment that was taken back. */
const Withdrawal = v.looseObject({ withdrawn: v.string() });

/** Gives an executor what it is assigned. */
export class Handouts {
  readonly #jetstream: JetStream;
  readonly #subjects: readonly string[];
  /** What came so far of the bundle that was begun. */
  #begun: { readonly hash: string; readonly pieces: Uint8Array[] } = { hash: "", pieces: [] };

  constructor(
    jetstream: JetStream,
    { executor, groups }: { readonly executor: string; readonly groups: readonly string[] },
  ) {
    this.#jetstream = jetstream;
    this.#subjects = addressees(executor, groups).map((whom) => SUBJECTS.assignment(whom));
  }

  /** The newest assignment, unless it is `known`. */
  async pull(known: string | undefined, limits: CallOptions): Promise<Pulled | undefined> {
    const newest = await this.#newest(limits);
    if (newest === undefined || !isNewer(newest, known)) return undefined;
    const value = await unpackedValue(newest.data);
    // What was there before is over too: the newest counts.
    if (v.is(Withdrawal, value)) return undefined;
    const read = v.safeParse(Assignment, value);
    if (!read.success) {
      throw new GatewayAnswerError(
        `Assignment ${newest.seq} of stream ${FLEET_STREAMS.assignments} is none: submit the pipeline again`,
      );
    }
    const { hash, chunks } = read.output;
    const bytes = await this.#bundle(hash, chunks, limits);
    return { bytes, hash, tag: tagOfAssignment(newest), unique: true };
  }

  async #newest(limits: CallOptions): Promise<Stored | undefined> {
    const all = await Promise.all(
      this.#subjects.map((subject) => this.#jetstream.last(FLEET_STREAMS.assignments, subject, limits)),
    );
    return all.reduce((newest, each) => (each?.seq ?? 0) > (newest?.seq ?? 0) ? each : newest);
  }

  async #bundle(hash: string, chunks: number, limits: CallOptions): Promise<Pulled["bytes"]> {
    if (this.#begun.hash !== hash) this.#begun = { hash, pieces: [] };
    const { pieces } = this.#begun;
    while (pieces.length < chunks) {
      const piece = await this.#jetstream.last(
        FLEET_STREAMS.bundles,
        SUBJECTS.bundle(hash, pieces.length),
        limits,
      );
      if (piece === undefined) {
        throw new GatewayAnswerError(
          `Piece ${pieces.length} of ${chunks} of bundle ${hash} is not on the server: submit the pipeline again`,
        );
      }
      pieces.push(piece.data);
    }
    this.#begun = { hash: "", pieces: [] };
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (length > MAX_BUNDLE_BYTES) {
      throw new GatewayAnswerError(`Bundle ${hash} has more than ${MAX_BUNDLE_BYTES} bytes and is not taken`);
    }
    const bytes = joined(pieces, length);
    const found = await sha256(bytes);
    if (found === hash) return bytes;
    throw new BundleHashError(
      `The bundle on the server has the hash ${found}, the assignment named ${hash}: it was changed on the way and is not run, will be asked for again`,
    );
  }
}

function isNewer({ seq, at }: Stored, known: string | undefined): boolean {
  const before = assignmentOf(known);
  return before === undefined || seq > before.seq || at > before.at;
}
