/**
 * Owns how deep something of others is nested, found out before anything walks it by recursion.
 * Must not know what the document means.
 * Invariant: it uses no stack of the thread's, however deep the document is.
 */

/**
 * Whether a document, as `JSON.parse` makes them, is nested more than so many levels deep. `[]` is one level, `[[]]` two.
 * One that holds itself is.
 */
export function deeperThan(document: unknown, levels: number): boolean {
  const open: { readonly inside: readonly unknown[]; at: number }[] = [];
  const enter = (value: unknown): void => {
    if (typeof value === "object" && value !== null) open.push({ inside: Object.values(value), at: 0 });
  };
  enter(document);
  for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
    if (open.length > levels) return true;
    if (level.at < level.inside.length) enter(level.inside[level.at++]);
    else open.pop();
  }
  return false;
}
