/**
 * Owns the words that messages are made of: ids, numbers, texts and times, each with its bounds.
 * Must not know any message.
 */
import * as v from "valibot";
import { LEVELS } from "../model/record.ts";
import { RUN_STATES } from "../model/outcome.ts";

/** Header with the SHA-256 of a bundle's bytes, lower-case hexadecimal. */
export const HASH_HEADER = "outrider-bundle-hash";
/** Header with the id of a hand-out; a gateway that has it gives no two of them the same tag. */
export const HANDOUT_HEADER = "outrider-handout";
/** Most records in one batch. */
export const MAX_BATCH_RECORDS = 5000;
/** Longest time that a gateway holds a request for a flag, milliseconds. */
export const MAX_FLAG_WAIT_MS = 60_000;
/** Longest reason for which a record is missing, characters. */
export const MAX_REASON = 500;
/** What stands before the name of a group where bundles are handed in. */
export const GROUP = "group:";

/** Ids of experiments, runs and groups, names of flags and tokens. `.` and `..` can't stand in a path. */
export const Id = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_.:@-]{1,128}$/, "Must be 1 to 128 characters out of A-Z a-z 0-9 _ . : @ -"),
  v.regex(/^(?!\.\.?$)/, "Must not be . or .."),
);
/** Ids of executors: none of them is what a group is handed things by. */
export const ExecutorId = v.pipe(
  Id,
  v.check((id) => !id.startsWith(GROUP), `Must not begin with ${GROUP}, which names groups`),
);
export const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const Seq = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
export const Text = (length: number) => v.pipe(v.string(), v.maxLength(length));
/** How a run stands. */
export const StateOfRun = v.picklist(RUN_STATES);
export const LaneName = v.picklist(["state", "log"]);
export const LaneCounts = v.object({ state: Count, log: Count });
export const LevelName = v.picklist(LEVELS);
/** Milliseconds since the epoch, up to the end of the year 9999: what a date can be made of. */
export const Stamp = v.pipe(v.number(), v.minValue(0), v.maxValue(253_402_300_799_999));
/** Names of pipelines and tasks. */
export const Name = Text(256);
/** Names a hand-out, as the gateway wrote it. */
export const Tag = Text(256);
/** Something in the gateway's registry that can't be another tomorrow. */
export const PinnedReference = v.pipe(
  v.string(),
  v.maxLength(400),
  v.regex(/^[a-z0-9][a-z0-9._/-]*@sha256:[0-9a-f]{64}$/, "Must be NAME@sha256: and 64 hexadecimal digits"),
);
/** Time between heartbeats, milliseconds. */
export const Interval = v.pipe(v.number(), v.safeInteger(), v.minValue(1000), v.maxValue(3_600_000));
