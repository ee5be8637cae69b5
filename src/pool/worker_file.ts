/**
 * Owns where the worker's program lies as a file. In the sources it lies nowhere: the build of the package puts the file's
 * URL here (tools/build.ts), for the command line alone, which is never bundled into something else.
 * Invariant: what lies there is the text in worker_code.ts.
 */

/** Its URL; nothing where there is no such file. */
export const workerFile: string | undefined = undefined;
