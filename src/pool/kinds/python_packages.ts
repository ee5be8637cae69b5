/**
 * Owns which packages an interpreter has, by what is written of them on its disk.
 * Must not know which are wanted, nor import one.
 * Invariant: nothing of a package is run, and nothing of the working directory.
 */
import { interpreterOf, PythonError, runTool } from "./python_interpreter.ts";
import type { RunnerPort } from "./runner.ts";

/** How long it may take, milliseconds. */
const ASK_MS = 60_000;

/** What an interpreter has. */
export interface PythonPackages {
  /** Path of the interpreter. */
  readonly executable: string;
  readonly version: string;
  /** Versions by name, as they are compared: small letters, single dashes. */
  readonly packages: Readonly<Record<string, string>>;
}

/** Without the working directory: a file in it may have the name of a module that is needed here. */
const PROGRAM = `import sys
sys.path = [p for p in sys.path if p]
import json, re
from importlib import metadata
found = {}
for each in metadata.distributions():
    name = each.metadata["Name"]
    if name:
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), each.version or "")
print(json.dumps(found))
`;

/** What the interpreter for tasks has. @throws {PythonError} If there is none, or it does not tell. */
export async function pythonPackages(port: RunnerPort): Promise<PythonPackages> {
  const env = port.environment();
  const { executable, version } = await interpreterOf(port, env);
  const end = await runTool(port, { command: [executable, "-c", PROGRAM], env, limitMs: ASK_MS });
  try {
    if (end.code === 0) return { executable, version, packages: JSON.parse(end.stdout) };
  } catch {
    // Said below.
  }
  const why = end.error?.message ?? end.stderr.trim().split("\n").at(-1) ?? "";
  throw new PythonError(
    `${executable} (Python ${version}) does not tell which packages it has: ${
      why || `it ended with exit code ${end.code ?? "unknown"}`
    }; try ${executable} -c "from importlib import metadata"`,
  );
}
