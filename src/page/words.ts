/**
 * Owns the page's words and marks for states, and how texts are made short.
 * Must not know where they are shown.
 * Invariant: no state is told by its colour alone; each has a word and a mark.
 */
/** Where a task stands, as the page shows it. */
export type StandingName =
  | "waiting"
  | "queued"
  | "running"
  | "retrying"
  | "succeeded"
  | "failed"
  | "timed_out"
  | "crashed"
  | "cancelled"
  | "skipped";

/** All standings in the order in which they are listed, with word and mark. */
export const STANDINGS: Readonly<Record<StandingName, { readonly word: string; readonly mark: string }>> = {
  running: { word: "running", mark: "▶" },
  queued: { word: "next on its worker", mark: "›" },
  retrying: { word: "retrying", mark: "↻" },
  waiting: { word: "waiting", mark: "·" },
  failed: { word: "failed", mark: "✗" },
  timed_out: { word: "timed out", mark: "✗" },
  crashed: { word: "crashed", mark: "✗" },
  cancelled: { word: "cancelled", mark: "−" },
  skipped: { word: "skipped", mark: "−" },
  succeeded: { word: "succeeded", mark: "✓" },
};

/** The standings' names in their order. */
export const STANDING_NAMES: readonly StandingName[] = Object.keys(STANDINGS) as StandingName[];

/** Standings of tasks with which something went wrong. */
export const BAD: readonly StandingName[] = ["failed", "timed_out", "crashed"];

/** Whether something went wrong with the task. */
export function isBad(standing: StandingName): boolean {
  return BAD.includes(standing);
}

/** Which tasks are to be shown: those that stand so, all that went wrong, or all. */
export type WantedTasks = StandingName | "wrong" | "";

/** Whether a task that stands so is one of those. */
export function isWanted(standing: StandingName, wanted: WantedTasks): boolean {
  return wanted === "" || (wanted === "wrong" ? isBad(standing) : standing === wanted);
}

/** Whether nothing is under way or to come, but for another round of a loop. */
export function hasEnded(standing: StandingName): boolean {
  return standing !== "waiting" && standing !== "queued" && standing !== "running" && standing !== "retrying";
}

/** JSON text made readable; as it is where it is no JSON. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The first line of a text, at most `most` characters. */
export function brief(text: string, most = 400): string {
  const end = text.indexOf("\n");
  const line = end < 0 ? text : `${text.slice(0, end)} …`;
  return line.length > most ? `${line.slice(0, most)}…` : line;
}
