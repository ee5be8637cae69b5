/**
 * Owns the errors of the uplink: operational ones, each class with a stable `code`.
 * Must not know what is done about them; `transient` only says whether the same request may work later.
 * Invariant: no message ever holds a token.
 */
import type { OutriderErrorCode } from "../model/error_code.ts";

/** Whatever goes wrong between us and the gateway. */
export class UplinkError extends Error {
  readonly code: OutriderErrorCode = "OUTRIDER_UPLINK";
  override name = "UplinkError";
  /** Whether the same request may be taken later. */
  readonly transient: boolean = true;
  /** How long the gateway asked us to wait, milliseconds. */
  readonly retryAfterMs: number | undefined = undefined;
}

/** No connection, or it broke. */
export class UnreachableError extends UplinkError {
  override readonly code = "OUTRIDER_GATEWAY_UNREACHABLE";
  override name = "UnreachableError";
}

/** No whole answer within the time limit. */
export class GatewayTimeoutError extends UplinkError {
  override readonly code = "OUTRIDER_GATEWAY_TIMEOUT";
  override name = "GatewayTimeoutError";
}

/** Something answered, but not as a gateway does: a web page, a redirect, too many bytes, no JSON. */
export class GatewayAnswerError extends UplinkError {
  override readonly code = "OUTRIDER_GATEWAY_ANSWER";
  override name = "GatewayAnswerError";
}

/** What a refusal holds. */
export interface Refusal {
  readonly status: number;
  /** The words of who refused, shortened. */
  readonly reason: string;
  /** Whether the answer has the form in which the gateway's dialect refuses; else a proxy, say, stands between. */
  readonly own: boolean;
  /** What was refused, as a gateway of ours names it. */
  readonly word?: string | undefined;
  readonly retryAfterMs: number | undefined;
}

/** Statuses that are about us or about the way, not about what was sent: sending something else would not help. */
const ABOUT_THE_WAY: ReadonlySet<number> = new Set([401, 403, 404, 405, 407]);

/** A status that is no success, from the gateway or from what stands between. Only the gateway's own word blames what was sent. */
export class GatewayRefusedError extends UplinkError {
  override readonly code = "OUTRIDER_GATEWAY_REFUSED";
  override name = "GatewayRefusedError";
  readonly status: number;
  readonly reason: string;
  /** Whether it is the gateway's own word. */
  readonly own: boolean;
  /** What was refused, as a gateway of ours names it. */
  readonly word: string | undefined;
  override readonly transient: boolean;
  override readonly retryAfterMs: number | undefined;

  constructor(message: string, refusal: Refusal) {
    super(message);
    this.status = refusal.status;
    this.reason = refusal.reason;
    this.own = refusal.own;
    this.word = refusal.word;
    this.retryAfterMs = refusal.retryAfterMs;
    this.transient = !(refusal.own && isContentRefused(refusal.status));
  }

  /** Whether less at a time may pass, whoever said so. */
  get tooLarge(): boolean {
    return this.status === 413;
  }
}

/**
 * Whether a status of the gateway's own says that what was sent will never be taken. 408 and 429 say "later"; 401, 403, 404, 405 and 407 speak
 * of the token or the address, and every record would meet them, so setting records aside for them would lose a run.
 */
export function isContentRefused(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429 && !ABOUT_THE_WAY.has(status);
}

/** The gateway's address can't be used. */
export class AddressError extends UplinkError {
  override readonly code = "OUTRIDER_GATEWAY_ADDRESS";
  override name = "AddressError";
  override readonly transient = false;
}

/** An id that no gateway takes. */
export class IdError extends UplinkError {
  override readonly code = "OUTRIDER_ID";
  override name = "IdError";
  override readonly transient = false;
}

/** The bytes of a bundle are not those that the gateway named. */
export class BundleHashError extends UplinkError {
  override readonly code = "OUTRIDER_BUNDLE_HASH";
  override name = "BundleHashError";
}

/** A flag was changed by someone else, or a dialect can't hold the value. */
export class FlagError extends UplinkError {
  override readonly code: OutriderErrorCode = "OUTRIDER_FLAG";
  override name = "FlagError";
  override readonly transient = false;
}

/** A flag did not have the version that was asked for. */
export class FlagConflictError extends FlagError {
  override readonly code = "OUTRIDER_FLAG_CONFLICT";
  override name = "FlagConflictError";
}

/** The records that are to be sent can't be read at the moment: it is the disk, and neither we nor the gateway. */
export class SourceError extends UplinkError {
  override readonly code = "OUTRIDER_JOURNAL_UNREADABLE";
  override name = "SourceError";
}

/** The uplink was told to stop while something was under way. */
export class StoppedError extends UplinkError {
  override readonly code = "OUTRIDER_STOPPED";
  override name = "StoppedError";
  override readonly transient = false;
}
