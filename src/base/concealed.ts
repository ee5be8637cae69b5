/**
 * Owns what of an address, or of a command's arguments, may stand in a message.
 * Must not know where the message goes.
 * Invariant: hides rather too much, also where what was written is no address at all.
 */

/** An address without what stands before its host and behind its path, where passwords and tokens are. */
export function concealedAddress(text: string): string {
  const [scheme = ""] = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text) ?? [];
  const rest = text.slice(scheme.length);
  // Where it is no address, nobody knows where its host begins.
  const before = URL.canParse(text) ? /^[^/?#\\]*@/.exec(rest)?.[0].length ?? 0 : rest.lastIndexOf("@") + 1;
  const shown = rest.slice(before);
  const plain = shown.replace(/[?#].*$/s, "?hidden");
  return `${scheme}${shown.length < rest.length ? "hidden@" : ""}${plain}`;
}

/** Values shorter than this are not looked for in other texts. */
const MIN_LENGTH = 4;
/** The words after a command's name that are shown: a command's command, and what it is about. */
const SHOWN_WORDS = 2;

/** Arguments with the names of their options, and a function that hides their values in other texts. */
export function concealedArguments(
  args: readonly string[],
): { readonly text: string; readonly conceal: (text: string) => string } {
  const shown: string[] = [];
  const secrets = new Set<string>();
  const hide = (value: string) => {
    for (const each of [value, value.slice(value.indexOf("=") + 1)]) {
      if (each.length >= MIN_LENGTH) secrets.add(each);
    }
    return "…";
  };
  let words = 0;
  for (const [at, arg] of args.entries()) {
    const option = /^(--[\w-]+|-[a-z])(=?)(.*)$/is.exec(arg);
    const before = args[at - 1] ?? "";
    if (option !== null) {
      shown.push(`${option[1]}${option[2]}${option[3] === "" ? "" : hide(option[3]!)}`);
    } else if (at > 0 && (before.startsWith("-") && !before.includes("=") || ++words > SHOWN_WORDS)) {
      shown.push(hide(arg));
    } else shown.push(arg);
  }
  const all = [...secrets].sort((a, b) => b.length - a.length);
  return {
    text: shown.join(" "),
    conceal: (text) => all.reduce((sofar, secret) => sofar.replaceAll(secret, "…"), text),
  };
}
