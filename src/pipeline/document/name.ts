/**
 * Owns what a name may look like.
 * Must not know whose names they are.
 * Invariant: a good name can stand in a log line, a file, a URL and an object's keys.
 */
/** Longest name of a pipeline, a task or an input, in UTF-16 code units. */
export const MAX_NAME_LENGTH = 200;

/** What a name looks like: no control characters, no line breaks, no space at either end. */
export const NAME: RegExp = /^(?![\s])[^\p{C}\p{Zl}\p{Zp}]+(?<!\s)$/u;

/** Names that plain objects have a use for already. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** What is wrong with a name, in words; `undefined` if nothing is. */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== "string") return `A name is a string; received ${name === null ? "null" : typeof name}`;
  if (name === "") return "A name can't be empty";
  if (name.length > MAX_NAME_LENGTH) {
    return `The name ${
      JSON.stringify(`${name.slice(0, 40)}…`)
    } is ${name.length} characters long: ${MAX_NAME_LENGTH} are allowed`;
  }
  if (RESERVED_NAMES.has(name)) return `The name "${name}" is reserved by JavaScript: choose another`;
  if (isPrintable(name) || NAME.test(name)) return undefined;
  return `The name ${
    JSON.stringify(name)
  } has a line break, an invisible character, or a space at an end: remove it`;
}

/** Whether it has only letters, digits and signs of ASCII, which is quicker to see than what `NAME` asks for. */
function isPrintable(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (code <= 0x20 || code >= 0x7f) return false;
  }
  return true;
}

/** What is wrong with a name that has the right type and length; the schema tells the rest. */
export function spellingProblem(name: unknown): string | undefined {
  return typeof name === "string" && name !== "" && name.length <= MAX_NAME_LENGTH
    ? nameProblem(name)
    : undefined;
}
