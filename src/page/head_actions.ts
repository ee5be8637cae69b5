/**
 * Owns what a person can do at the top of the page.
 * Must not know what comes of it.
 */
import type { ToldBy } from "./data.ts";
import type { TaskView } from "./model.ts";
import type { WantedTasks } from "./words.ts";

/** What a person can do at the top. */
export interface HeadActions {
  readonly chooseStanding: (wanted: WantedTasks) => void;
  readonly chooseTask: (task: TaskView) => void;
  readonly cancel: (() => void) | undefined;
  readonly askToken: () => void;
  /** Who tells of the run. */
  readonly teller: ToldBy;
}
