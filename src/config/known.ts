/**
 * Owns which variables of the environment there are, and which of those that are set look like one of them and are none.
 * Must not know what a variable says.
 * Invariant: what it tells of is ignored all the same: a variable may be somebody else's.
 */
import { NameFinder } from "../model/nearest.ts";
import { GATEWAY_TOKEN } from "./asking.ts";

/** Those that people set beside the agent's. */
const OTHERS: readonly string[] = [
  GATEWAY_TOKEN,
  "OUTRIDER_URL",
  "OUTRIDER_SOCKET",
  "OUTRIDER_PYTHON",
  "OUTRIDER_DEVICE_DIR",
  "OUTRIDER_NETUNICORN_ISOLATION",
  "OUTRIDER_DEBIAN_MIRROR",
];

/** Those that Outrider sets for what it starts. */
const OURS: readonly string[] = [
  "OUTRIDER_RUN",
  "OUTRIDER_TASK",
  "OUTRIDER_ITERATION",
  "OUTRIDER_ATTEMPT",
  "OUTRIDER_INPUTS",
  "OUTRIDER_PARAMS",
  "OUTRIDER_OUTPUT",
  "OUTRIDER_MARK",
  "OUTRIDER_SUPERVISED",
  "OUTRIDER_LAST_END",
  "OUTRIDER_CONFIGURATION",
];

/** What Kubernetes sets for a service that is called outrider. */
const SERVICE =
  /_SERVICE_(?:HOST|PORT(?:_\w+)?)$|^[A-Z]+_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?$/;

/** In words, what is wrong with the names of variables that are set. */
export async function misspelt(names: readonly string[]): Promise<string[]> {
  const strange = names.filter((name) => ![...OTHERS, ...OURS].includes(name) && !SERVICE.test(name));
  if (strange.length === 0) return [];
  const known = await settable();
  return strange.filter((name) => !known.includes(name)).flatMap((name) => {
    const prefix = prefixOf(name);
    const bare = known.filter((each) => prefixOf(each) === prefix).map((each) => each.slice(prefix.length));
    const nearest = new NameFinder(bare).nearest(name.slice(prefix.length));
    return nearest === undefined
      ? []
      : [`${name}: There is no such variable: did you mean "${prefix}${nearest}"?`];
  });
}

/** The names that a person may have meant. What a program that was started sets is no reason to load the table. */
async function settable(): Promise<readonly string[]> {
  const [{ VARIABLES }, { DIALECTS }] = await Promise.all([
    import("./variables.ts"),
    import("../uplink/dialects/list.ts"),
  ]);
  const dialects = DIALECTS.flatMap(({ variables }) => variables.map(({ name }) => name));
  return [...Object.values(VARIABLES).map(({ name }) => name), ...dialects, ...OTHERS];
}

/** What the names of one program's variables have in common: `OUTRIDER`. */
function prefixOf(name: string): string {
  return name.split("_", 1)[0]!.toUpperCase();
}
