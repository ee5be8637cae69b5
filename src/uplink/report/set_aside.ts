/**
 * Owns which records of one stream are set aside, or go without their values, and on whose word.
 * Must not know when anything is sent.
 * Invariant: what is set aside is told until it is acknowledged; neighbours with the same reason are one range.
 */
import type { Parked } from "../../protocol/messages.ts";
import type { GatewayRefusedError } from "../errors.ts";
import type { Numbered } from "../port.ts";
import { leanRecord } from "./lean.ts";

/** What is left out of one stream. */
export class SetAside {
  #ranges: Parked[] = [];
  /** Numbers of records that go without their values. */
  readonly #lean = new Set<number>();
  /** The record that was too large by itself for something that is no gateway, and what was `heard` then. */
  #suspect = { seq: 0, heard: 0 };

  /** What is beyond a number. */
  after(seq: number): readonly Parked[] {
    return this.#ranges.filter((range) => range.to > seq);
  }

  has({ seq }: Numbered): boolean {
    return this.#ranges.some((range) => range.from <= seq && seq <= range.to);
  }

  /** Forgets what was told and taken, up to a number. */
  taken(seq: number): void {
    this.#ranges = this.#ranges.filter((range) => range.to > seq);
  }

  /** A record as it goes out. */
  lean(record: Numbered): Numbered {
    return this.#lean.has(record.seq) ? leanRecord(record) ?? record : record;
  }

  /** From now on a record goes without its value; whether it has one to leave out. */
  leaveOut(record: Numbered): boolean {
    if (this.#lean.has(record.seq) || leanRecord(record) === undefined) return false;
    this.#lean.add(record.seq);
    return true;
  }

  /** Whether a refusal is about the record that went alone. @param heard Heartbeats that were answered so far. */
  isToBlame({ seq }: Numbered, error: GatewayRefusedError, heard: number): boolean {
    if (heard === 0) return false;
    if (error.own) return true;
    if (this.#suspect.seq !== seq) this.#suspect = { seq, heard };
    return heard > this.#suspect.heard + 1;
  }

  /** Sets a range aside; neighbours with the same reason become one, so that the list stays short. */
  add(range: Parked): void {
    if (this.#ranges.some((other) => other.from <= range.from && range.to <= other.to)) return;
    const at = this.#ranges.findIndex((other) =>
      other.to + 1 === range.from && other.reason === range.reason
    );
    const before = this.#ranges[at];
    if (before) this.#ranges[at] = { ...before, to: range.to };
    else this.#ranges = [...this.#ranges, range].sort((a, b) => a.from - b.from);
  }
}
