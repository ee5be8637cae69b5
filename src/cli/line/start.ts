/**
 * Owns what an environment that this device was given changes about the start: variables, and what is done without arguments.
 * Must not know how an environment is made, nor what its pipeline is.
 * Invariant: what the device says itself wins.
 */
import { environmentFile, layBeneath } from "../../config/early.ts";
import { environmentHere } from "../../environment/here.ts";
import type { Runtime } from "../../runtime/port.ts";

/** The arguments that this process has; ends it where the environment can't be read. */
export async function argumentsHere(runtime: Runtime): Promise<readonly string[]> {
  try {
    const here = await environmentHere(runtime, environmentFile(runtime));
    if (here === undefined) return runtime.args;
    layBeneath(runtime, here.env ?? {}, here.secrets ?? []);
    return runtime.args.length === 0 ? ["agent"] : runtime.args;
  } catch (error) {
    const { tell } = await import("./errors.ts");
    const { text, code } = tell(error, { args: runtime.args, runtime });
    runtime.stderr.write(text);
    return await runtime.exit(code);
  }
}
