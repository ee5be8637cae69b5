/**
 * Owns what an end point is told of the state directory: what could not be read, and what the disk refuses.
 * Must not know what is done about it.
 * Invariant: what was set aside is told for as long as it is there.
 */
import type { HttpCondition } from "../serving/serving.ts";
import type { StateDir } from "../run/kept/state_dir.ts";

/** Names that are shown; a person finds the others beside them. */
const MAX_NAMES = 5;

/** What is not as it should be with the state directory. */
export function stateConditions(state: StateDir | undefined): readonly HttpCondition[] {
  if (state === undefined) return [];
  const left = state.unread.filter(({ setAside }) => !setAside);
  return [
    ...told("set_aside", state.aside, "could not be read and are kept: look at them, then remove them"),
    ...told(
      "kept_refused",
      state.refused,
      "are runs that the gateway did not take all of: look at them, then remove them",
    ),
    ...told(
      "left_alone",
      left.map(({ folder, because }) => `${folder} (${because})`),
      "could not be read and are left as they are",
    ),
    ...state.trouble === undefined ? [] : [{ code: "disk", message: state.trouble }],
  ];
}

function told(code: string, names: readonly string[], what: string): HttpCondition[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, MAX_NAMES).join(", ");
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : "";
  return [{ code, message: `${shown}${more} ${what}` }];
}
