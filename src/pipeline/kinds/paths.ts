/**
 * Owns which parts of what a task runs are paths, by kind, and how another file writes them.
 * Must not know what they lead to; it imports no package, since the builder needs it in workers.
 * Invariant: what is no path stays as it is.
 */

/** By the key that tells a kind: the keys that are paths, each with what it is where it is not written. */
export const PATHS: Readonly<Record<string, Readonly<Record<string, string | undefined>>>> = {
  module: { module: undefined },
  python: { python: undefined, requirements: undefined },
  netunicorn: { netunicorn: undefined },
  // A program that names no folder runs in that of its file.
  command: { cwd: "." },
};

/** What a task runs as another file writes it. @param move A path, as that file writes it. */
export function movedRun(
  run: Readonly<Record<string, unknown>>,
  move: (path: string) => string,
): Readonly<Record<string, unknown>> {
  const kind = Object.keys(PATHS).find((key) => Object.hasOwn(run, key));
  const paths = kind === undefined ? [] : Object.entries(PATHS[kind]!);
  const moved = paths.flatMap(([key, unwritten]) => {
    const path = run[key] ?? unwritten;
    return typeof path === "string" ? [[key, move(path)] as const] : [];
  });
  return { ...run, ...Object.fromEntries(moved) };
}
