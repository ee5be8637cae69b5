/**
 * Owns what all routes of the gateway share. Types only.
 * Must not know any route.
 * Invariant: nothing here is global; two gateways in one process do not meet.
 */
import type { Clock } from "../base/clock.ts";
import type { Opened } from "../base/web/opened.ts";
import type { Bells } from "./bells.ts";
import type { GatewayDesk } from "./desk/desk.ts";
import type { Heard } from "./heard.ts";
import type { Intake } from "./body.ts";
import type { Roster } from "./roster.ts";
import type { Sessions } from "./sessions.ts";
import type { Retention } from "./retention.ts";
import type { GatewayStore } from "./store.ts";
import type { Blobs, BlobsOptions } from "./registry/blobs.ts";
import type { Tokens } from "./tokens.ts";

/** What a gateway is made of. */
export interface GatewayOptions extends GatewayEars {
  readonly store: GatewayStore;
  readonly clock: Clock;
  /** Who may ask. Absent: anyone who reaches the address, which has to be this machine's own. */
  readonly tokens?: Tokens;
  /** Names under which the gateway may be asked without tokens, beside `localhost` and IP addresses. */
  readonly hosts?: readonly string[];
  /** Where what is pushed is kept. Absent: nothing can be pushed. */
  readonly registry?: BlobsOptions;
  /** Where files that runs keep are kept. Absent: none are taken. */
  readonly files?: BlobsOptions;
  /** What keeps the store from growing for ever; started by who made it. Absent: nothing does. */
  readonly retention?: Retention;
  /** What is passed on to executors and shared with them, where that is not the store's own affair: then executors don't ask here. */
  readonly desk?: GatewayDesk;
  /** Silence after which an executor counts as lost, milliseconds. Default 45,000, or four of its intervals. */
  readonly leaseMs?: number;
  /** Largest bundle, bytes. Default 64 MiB. */
  readonly maxBundleBytes?: number;
  /** Largest batch of records, unpacked, bytes. Default 160 MiB, enough for the largest value. */
  readonly maxBatchBytes?: number;
}

/** What a gateway hears by, where others hear for it too. */
interface GatewayEars {
  readonly bells?: Bells;
  readonly heard?: Heard;
}

/** The same with nothing left open. */
export interface GatewayParts
  extends Required<Omit<GatewayOptions, "tokens" | "registry" | "files" | "retention">> {
  readonly tokens: Tokens | undefined;
  /** Browsers that are signed in; none where there are no tokens. */
  readonly sessions: Sessions | undefined;
  readonly roster: Roster;
  readonly bells: Bells;
  readonly heard: Heard;
  readonly intake: Intake;
  /** Answers that go on, and records larger than a page that readers have not taken yet. */
  readonly opened: Opened;
  readonly blobs: Blobs | undefined;
  readonly files: Blobs | undefined;
  readonly retention: Retention | undefined;
}
