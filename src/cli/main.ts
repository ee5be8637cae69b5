/**
 * Owns the start and the end of the process: arguments in, exit code out.
 * Must not know any command; command_line.ts finds the one that is asked for.
 * Invariant: whatever goes wrong, a person reads what and where, and the exit code says so.
 */
import { runtime } from "../runtime/runtime.ts";
import { commandLine } from "./command_line.ts";

await runtime.exit(await commandLine(runtime.args, runtime));
