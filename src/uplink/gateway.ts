/**
 * Owns the port to a gateway, whatever it speaks. Types only.
 * Must not know of URLs, headers or bodies; each dialect does.
 * Invariant: a call that resolves was taken by the gateway; one that rejects does so with an UplinkError.
 */
import type {
  BatchReply,
  FlagOperation,
  FlagReply,
  Heartbeat,
  HeartbeatReply,
  HeldFile,
  RecordBatch,
  SharedFlag,
} from "../protocol/messages.ts";
import type { Numbered } from "./port.ts";
import type { KeptFile } from "../model/file.ts";
import type { Bytes } from "../base/bytes.ts";

/** Limits of one call. */
export interface CallOptions {
  /** Limit for the whole exchange, milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** A pipeline that the gateway handed out. */
export interface Pulled {
  /** The bundle, as it was uploaded. */
  readonly bytes: Bytes;
  /** SHA-256 of the bytes, lower-case hexadecimal. */
  readonly hash: string;
  /** Names this hand-out. Give it to the next pull to get only what is newer. */
  readonly tag: string;
  /** No other hand-out has this tag, of this gateway or another. */
  readonly unique?: boolean;
}

/** A whole run in one piece, for a gateway that takes no numbered records. */
export interface Whole {
  readonly run: string;
  /** The result document. */
  readonly result: unknown;
  /** The last part of the log, oldest first. */
  readonly log: readonly Numbered[];
}

/** How flags are read and changed. */
export interface FlagLine {
  /** The flag, or `undefined` if there is none. With `after`, held until there is a newer version or `waitMs` is over, if the gateway can. */
  read(
    name: string,
    options: CallOptions & { readonly after?: number; readonly waitMs?: number },
  ): Promise<SharedFlag | undefined>;
  change(name: string, operation: FlagOperation, options: CallOptions): Promise<FlagReply>;
  /** Whether a change may be sent again when it is unknown whether it was taken. */
  readonly repeatable: boolean;
  /** Whether `read` waits. */
  readonly waits: boolean;
}

/** A file that a run has kept. */
export interface RunFile extends KeptFile {
  readonly run: string;
}

/** How files are sent. */
export interface FileLine {
  held(file: RunFile, options: CallOptions): Promise<HeldFile>;
  /** Sends bytes from a place on, which has to be where the gateway's end. */
  send(
    file: RunFile,
    piece: { readonly at: number; readonly bytes: Bytes },
    options: CallOptions,
  ): Promise<HeldFile>;
}

/** What went over the line, counted. Bytes are those of what is said, with its paths and headers, before TLS. */
export interface Traffic {
  readonly requests: number;
  readonly failures: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** The end point of the core services, as the uplink sees it. */
export interface Gateway {
  /** The address, for messages. */
  readonly url: string;
  readonly traffic: Traffic;
  /** `undefined` where there is nothing yet, or nothing newer than `known`. */
  pull(known: string | undefined, options: CallOptions): Promise<Pulled | undefined>;
  /** `undefined` where nothing was sent, since this gateway is told nothing just now: then nothing was heard of it either. */
  beat(heartbeat: Heartbeat, options: CallOptions): Promise<HeartbeatReply | undefined>;
  /** How runs are reported: as numbered records, or whole at their end. */
  readonly report:
    | { readonly kind: "records"; send(batch: RecordBatch, options: CallOptions): Promise<BatchReply> }
    | { readonly kind: "whole"; send(whole: Whole, options: CallOptions): Promise<void> };
  readonly flags: FlagLine;
  /** Default: files are not reported to such a gateway. */
  readonly files?: FileLine;
  /** Rings when there may be something to be told or pulled, until the returned function is called. Absent where nothing of the kind is heard. */
  listen?(bell: () => void): () => void;
  /** Ends what connections there are; nothing is asked afterwards. Absent where nothing stays open. */
  close?(): Promise<void>;
}
