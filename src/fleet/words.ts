/**
 * Owns what things are called on the servers of a fleet: streams, subjects, headers.
 * Must not know who reads or writes them.
 * Invariant: a subject has as many parts for every id, and no two ids have the same: `.` in an id is written `~`, which no
 * id holds.
 */

/** The streams of a fleet. */
export const FLEET_STREAMS = {
  records: "O_REC",
  heartbeats: "O_HB",
  instructions: "O_CMD",
  assignments: "O_ASSIGN",
  bundles: "O_BUNDLE",
  flags: "O_FLAG",
} as const;

/** What those who are no devices are called on the servers: their inboxes are of these names. */
export const OWN_NAMES = { gateway: "outrider-gateway", operator: "outrider-fleet" } as const;

/** An id as a part of a subject. */
export function part(id: string): string {
  return id.replaceAll(".", "~");
}

/** The id that a part of a subject stands for. */
export function idOf(text: string): string {
  return text.replaceAll("~", ".");
}

/** Stands for every part, where it is listened or looked for. */
export const ANY = "*";

/** Who an instruction or a pipeline is for. */
export type Addressee = { readonly executor: string } | { readonly group: string };

function forWhom(whom: Addressee): string {
  return "executor" in whom ? `x.${part(whom.executor)}` : `g.${part(whom.group)}`;
}

/** The subjects. {@linkcode ANY} in the place of an id or a number means all of them. */
export const SUBJECTS = {
  records: (executor: string, run: string, lane: string): string =>
    `o.rec.${part(executor)}.${part(run)}.${lane}`,
  heartbeat: (executor: string): string => `o.hb.${part(executor)}`,
  /** Where an executor behind a leaf leaves an empty message, whose answer tells where the streams are. */
  where: (executor: string): string => `o.hb.${part(executor)}.where`,
  /** Where a gateway says how far it has read the records. */
  read: (gateway: string): string => `o.hb.${part(gateway)}.read`,
  instructions: (whom: Addressee): string => `o.cmd.${forWhom(whom)}`,
  /** Of all, executors and groups. */
  everyAssignment: "o.assign.*.*",
  assignment: (whom: Addressee): string => `o.assign.${forWhom(whom)}`,
  bundle: (hash: string, chunk: number | typeof ANY): string => `o.bundle.${hash}.${chunk}`,
  flag: (experiment: string, name: string): string => `o.flag.${part(experiment)}.${part(name)}`,
  /** Where a gateway that is running changes flags for all who ask. */
  flagService: (experiment: string, name: string): string => `o.do.flag.${part(experiment)}.${part(name)}`,
} as const;

/** On each batch of records: the number that all up to are stored with it. */
export const LAST_HEADER = "O-Last";
/** On the batch that brought the end of a run, and those after it: how it ended. */
export const FINAL_HEADER = "O-Final";
/** On each batch of records: which of the run's histories it is of. */
export const LIFE_HEADER = "O-Life";

/** Bytes of a bundle in one message. */
export const CHUNK_BYTES: number = 512 * 1024;
/** The group that every executor is in. */
export const EVERYONE = "all";
/** The experiment of an executor that names none. */
export const DEFAULT_EXPERIMENT = "default";

/** Whom an executor is told things as: itself, its groups, everyone. */
export function addressees(executor: string, groups: readonly string[]): readonly Addressee[] {
  return [{ executor }, ...[...new Set([...groups, EVERYONE])].map((group) => ({ group }))];
}

/** Which assignment: its sequence, and when it was made, since another server begins to count anew. */
export interface AssignmentPlace {
  readonly seq: number;
  readonly at: number;
}

/** The tag by which executors know an assignment. */
export function tagOfAssignment({ seq, at }: AssignmentPlace): string {
  return `${seq}@${at}`;
}

/** The assignment that a tag is of; `undefined` if it is of none. */
export function assignmentOf(tag: string | undefined): AssignmentPlace | undefined {
  const [, seq, at] = /^(\d{1,15})@(\d{1,15})$/.exec(tag ?? "") ?? [];
  return seq === undefined ? undefined : { seq: Number(seq), at: Number(at) };
}

/** The id by which users know what was assigned: every gateway of the fleet gives it the same. */
export function idOfAssignment({ seq, at }: AssignmentPlace): string {
  return `${idBefore(seq)}${at}`;
}

/** What ids of all assignments with this sequence begin with. */
export function idBefore(seq: number): string {
  return `q-${seq}x`;
}

/** The tag of what users know by an id. */
export function tagOfId(id: string): string {
  return id.slice(2).replace("x", "@");
}
