/**
 * Owns that threads and processes of tasks keep what they compile where this process does.
 * Must not know where that is: runtime/compiled.ts says it, before anything else of the program is loaded.
 */
import nodeModule from "node:module";
import { dirname } from "node:path";

/** What Node may have, typed as it is there. */
interface Keeping {
  readonly enableCompileCache?: (folder: string) => unknown;
  readonly getCompileCacheDir?: () => string | undefined;
}

const keeping = nodeModule as unknown as Keeping;

/** Where what is compiled is kept, if it is; for `compileFrom`, in a thread. */
export function compiledFolder(): string | undefined {
  const folder = keeping.getCompileCacheDir?.();
  // A folder of the runtime's version is in the one that it was told.
  return folder === undefined ? undefined : dirname(folder);
}

/** Keeps there what this thread compiles: modules in TypeScript most of all, which takes each worker 45 ms else. */
export function compileFrom(folder: string | undefined): void {
  if (folder !== undefined) keeping.enableCompileCache?.(folder);
}
