/**
 * Owns the form of the list of bases: the programs that executables are made of, each in a package of npm. Types only.
 * Must not know what is in the list.
 */
import type { BaseName, Target } from "../document/schema.ts";

/** A program in a package of npm. */
export interface Base {
  readonly package: string;
  readonly version: string;
  /** The program, within the package. */
  readonly file: string;
  /** Of the package as it is downloaded. Digests are lower-case hexadecimal. */
  readonly sha512: string;
  readonly bytes: number;
  /** Of the program. */
  readonly fileSha256: string;
  readonly fileBytes: number;
}

/** By base and target. A base that is not made for a target is not there. */
export type BaseList = Readonly<Record<BaseName, Readonly<Partial<Record<Target, Base>>>>>;
