/**
 * Owns what a refusal of a gateway or an executor says on the command line: servers speak of requests, and who reads this has
 * commands and options.
 * Must not know which command was running, but by what it was refused.
 * Invariant: what happened stays in the words of who refused; only what to do is said in others.
 */

/** Where a server begins to say what to do. */
const ADVICE =
  /: (?:(?:GET|POST|PUT|DELETE) \/|send |set it, or |make one that |ask again |read it again|add \?|use its IP |GET$).*$/s;

/** What to do, by the code of the refusal. */
const WAYS: Readonly<Record<string, string>> = {
  // Of gateways.
  NO_EXECUTOR: "outrider executors lists those that it knows",
  NO_HANDOUT: "outrider results lists what there is",
  NO_TOKEN: "give a user's token by --token, OUTRIDER_TOKEN or OUTRIDER_TOKEN_FILE",
  TOKEN_EXECUTOR: "give a token that is for it by --token",
  TOKEN_EXPERIMENT: "make another token that names it",
  TOKEN_GROUP: "make another token that names it",
  TOKEN_KIND: "give a user's token by --token, OUTRIDER_TOKEN or OUTRIDER_TOKEN_FILE",
  TO: "give --to EXECUTOR or --to group:NAME",
  // Of both.
  TOKEN: "give it by --token TOKEN, OUTRIDER_TOKEN or OUTRIDER_TOKEN_FILE",
  // Of executors.
  NO_KEY: "outrider store keys lists those that there are, outrider store get KEY --wait 30s waits for one",
  VERSION_CONFLICT: "outrider store get KEY shows what is there now; --if-version takes its number",
};

/** Where one code means another thing at each kind of server. */
const AT: Readonly<Record<"gateway" | "executor", Readonly<Record<string, string>>>> = {
  gateway: {
    NO_RUN: "outrider results lists those that it knows",
    NO_ROUTE: "check that --gateway, or OUTRIDER_GATEWAY, is the address of a gateway of this version",
    HOST: "ask it by its IP address, or by localhost",
  },
  executor: {
    JSON: "give a text with --text, or in JSON's quotes, such as '\"warm\"'",
    NO_RUN: "try again when one has begun; outrider status tells",
    NO_ROUTE: "check that --url is the address of an executor of this version, and no gateway's",
    HOST: "ask it by its address, or by localhost",
  },
};

/** The words of a refusal, with what to do here. @param code Which kind of refusal it is, as the server names it. */
export function refusalText(server: "gateway" | "executor", { code, message }: {
  readonly code: string;
  readonly message: string;
}): string {
  const way = AT[server][code] ?? WAYS[code];
  const said = message.replace(/^The body can't be read, /, "The value can't be read: ")
    .replace(/"?(\d+)"? as If-Match asks/, "$1 as --if-version says");
  return way === undefined ? said : `${said.replace(ADVICE, "")}: ${way}`;
}
