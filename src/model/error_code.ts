/**
 * Owns the codes of all errors that are not defects: each is that of one class, or of one kind of `StoreError` or
 * `JournalError`. Types only.
 * Must not know the classes.
 * Invariant: a code is never given another meaning.
 */

/** What the store and the events of a run refuse. */
export type StoreErrorCode =
  | "BAD_KEY"
  | "KEY_TOO_LONG"
  | "BAD_VALUE"
  | "VALUE_TOO_LARGE"
  | "STORE_FULL"
  | "VERSION_CONFLICT"
  | "NOT_A_NUMBER"
  | "BAD_EVENT"
  | "EVENTS_DROPPED"
  | "BAD_ARGUMENT"
  | "TOO_MANY_WAITS";

/** Why a file is not kept, or not given. */
export type FileErrorCode =
  /** It can't be called so. */
  | "FILE_NAME"
  /** There is none. */
  | "FILE_MISSING"
  /** It is no regular file. */
  | "FILE_KIND"
  /** The attempt keeps another one of that name. */
  | "FILE_EXISTS"
  /** It is larger than a file may be. */
  | "FILE_TOO_LARGE"
  /** The run keeps as much, or as many, as it may. */
  | "FILES_FULL"
  /** The disk is full. */
  | "FILE_DISK_FULL"
  /** The attempt has ended. */
  | "FILE_ENDED"
  /** Anything else that the disk refuses. */
  | "FILE";

/** What can be wrong with a journal on disk. */
export type JournalErrorCode =
  /** Another process has it open. */
  | "LOCKED"
  /** It is damaged, or no journal. */
  | "CORRUPT"
  /** It was written by a newer Outrider. */
  | "NEWER_VERSION"
  /** The directory or a file in it can't be written. */
  | "NOT_WRITABLE"
  /** The disk is full. */
  | "DISK_FULL"
  /** Anything else that the disk refuses. */
  | "DISK";

/** The `code` of an error that Outrider throws, or that a run rejects with: stable, for programs. */
export type OutriderErrorCode =
  | StoreErrorCode
  | JournalErrorCode
  | FileErrorCode
  | "OUTRIDER_BACKUP"
  | "OUTRIDER_BUNDLE_HASH"
  | "OUTRIDER_BUNDLING"
  | "OUTRIDER_END_POINT"
  | "OUTRIDER_DEBIAN"
  | "OUTRIDER_DOWNLOAD"
  | "OUTRIDER_ENVIRONMENT"
  | "OUTRIDER_ROOT"
  | "OUTRIDER_UNPACKING"
  | "OUTRIDER_FLAG"
  | "OUTRIDER_FLAG_CONFLICT"
  | "OUTRIDER_GATEWAY_ADDRESS"
  | "OUTRIDER_GATEWAY_ANSWER"
  | "OUTRIDER_GATEWAY_OPEN"
  | "OUTRIDER_GATEWAY_REFUSED"
  | "OUTRIDER_GATEWAY_STORE"
  | "OUTRIDER_GATEWAY_TIMEOUT"
  | "OUTRIDER_GATEWAY_UNREACHABLE"
  | "OUTRIDER_ID"
  | "OUTRIDER_JOURNAL_UNREADABLE"
  | "OUTRIDER_JSON"
  | "OUTRIDER_MANIFEST"
  | "OUTRIDER_NO_PIPELINE"
  | "OUTRIDER_OTHER_PIPELINE"
  | "OUTRIDER_PIPELINE"
  | "OUTRIDER_PYTHON"
  | "OUTRIDER_REGISTRY"
  | "OUTRIDER_REPLAY"
  | "OUTRIDER_RUN_STOPPED"
  | "OUTRIDER_SAVE"
  | "OUTRIDER_SERVE"
  | "OUTRIDER_SERVING"
  | "OUTRIDER_STATE"
  | "OUTRIDER_STOPPED"
  | "OUTRIDER_TOKEN"
  | "OUTRIDER_TRUST"
  | "OUTRIDER_UNKNOWN_TASK"
  | "OUTRIDER_UPLINK"
  | "OUTRIDER_USAGE"
  | "OUTRIDER_UTF8"
  | "OUTRIDER_VALUE"
  | "TIMEOUT";
