/**
 * Owns the question which module called a function of ours.
 * Must not know why it is asked.
 * Invariant: the answer is an absolute `file:` or `data:` URL that can be imported, or `undefined`.
 */

interface CallSite {
  getFileName(): string | null | undefined;
}

interface StackError {
  prepareStackTrace?: unknown;
  stackTraceLimit?: number;
  captureStackTrace?(target: object, below: unknown): void;
}

/**
 * The URL of the module that called a function, from the call stack.
 *
 * The engine is asked for the frames below `callee`, so it does not matter where our own code lies: unbuilt, in a package, or
 * bundled into the same file as its caller.
 *
 * @param callee The function whose caller is wanted; it must be on the stack.
 */
export function callerModule(callee: unknown): string | undefined {
  const target: { stack?: unknown } = {};
  const engine = Error as StackError;
  const { prepareStackTrace, stackTraceLimit } = engine;
  let sites: unknown;
  try {
    engine.stackTraceLimit = 1;
    engine.prepareStackTrace = (_: unknown, structured: unknown) => structured;
    engine.captureStackTrace?.(target, callee);
    sites = target.stack;
  } catch {
    // A frozen Error (hardened realms): the caller has to say its module.
    return undefined;
  } finally {
    restore(engine, prepareStackTrace, stackTraceLimit);
  }
  return moduleUrl(Array.isArray(sites) ? fileOfSite(sites[0]) : fileOfText(sites));
}

function restore(engine: StackError, prepare: unknown, limit: number | undefined): void {
  try {
    if (prepare === undefined) delete engine.prepareStackTrace;
    else engine.prepareStackTrace = prepare;
    if (limit !== undefined) engine.stackTraceLimit = limit;
  } catch {
    // Frozen: then nothing has been changed either.
  }
}

function fileOfSite(site: unknown): string | undefined {
  const file = (site as CallSite | undefined)?.getFileName?.();
  return typeof file === "string" ? file : undefined;
}

/** The file of the first frame of a stack as text, in the forms of V8 and of JavaScriptCore. */
export function fileOfText(stack: unknown): string | undefined {
  if (typeof stack !== "string") return undefined;
  for (const line of stack.split("\n")) {
    const v8 = /^\s*at (?:.*? \()?((?:file:|data:|\/|[A-Za-z]:[\\/]).*?)(?::\d+){1,2}\)?$/.exec(line);
    const file = v8?.[1] ??
      /^(?:[^@\n]*@)?((?:file:|data:|\/|[A-Za-z]:[\\/]).*?)(?::\d+){0,2}$/.exec(line)?.[1];
    if (file !== undefined) return file;
  }
  return undefined;
}

/** The URL of a file as engines name it: a URL, or an absolute path. */
export function moduleUrl(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  if (file.startsWith("data:")) return file;
  // Code given on the command line or to a prompt has a name, but no module that a worker could load.
  if (/\[(eval|stdin|worker eval)\d*\]|\$deno\$(eval|stdin|repl)|^<|^evalmachine/.test(file)) {
    return undefined;
  }
  if (file.startsWith("file:")) return file;
  const path = file.replaceAll("\\", "/");
  if (!/^(\/|[A-Za-z]:\/)/.test(path)) return undefined;
  const encoded = path.split("/").map((part) => encodeURIComponent(part).replace(/^([A-Za-z])%3A$/, "$1:"));
  return `file://${path.startsWith("/") ? "" : "/"}${encoded.join("/")}`;
}
