/**
 * Owns how the command line of the package starts: before any of it is compiled, the runtime is told where to keep that.
 * Must not know what is started, nor load anything of it by itself.
 * Invariant: of the program nothing but what tells the runtime is imported statically: the rest would be compiled before that.
 */
import { keepCompiled } from "../runtime/compiled.ts";

keepCompiled(new URL("./.cache/", import.meta.url).href, ["agent", "gateway"]);
await import("./main.ts");
