/**
 * Owns executables made by Node: its own base puts the program into any other, as what it calls a single executable.
 * Must not know where bases come from.
 * Invariant: the executable obeys neither NODE_OPTIONS nor any file that lies where it is started.
 */
import { runtime } from "../../runtime/runtime.ts";
import { EnvironmentError } from "../document/error.ts";
import { passedEnvironment, ran } from "../process.ts";
import { type Compilation, executableName } from "./compiler.ts";

const LIMIT_MS = 300_000;

/** Makes one. */
export async function compileByNode(
  { program, environment, target, host, base, folder }: Compilation,
): Promise<string> {
  const texts = { program, ...(environment !== undefined && { environment }) };
  for (const [name, text] of Object.entries(texts)) await runtime.writeText(`${folder}/${name}.txt`, text);
  const name = executableName(target);
  const config = {
    // Paths stand in the bytes: so they are relative.
    main: "program.txt",
    mainFormat: "module",
    output: name,
    executable: base,
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    // It would be that of this machine.
    useCodeCache: false,
    // How tasks' modules are loaded is experimental in this Node, and said on stderr at each start.
    execArgv: ["--disable-warning=ExperimentalWarning"],
    execArgvExtension: "none",
    assets: Object.fromEntries(Object.keys(texts).map((each) => [each, `${each}.txt`])),
  };
  await runtime.writeText(`${folder}/sea.json`, JSON.stringify(config));
  const { code, output } = await ran([host, "--build-sea", "sea.json"], {
    cwd: folder,
    env: { ...passedEnvironment(/^(PATH|TMPDIR)$/), HOME: folder },
    limitMs: LIMIT_MS,
  });
  if (code === 0) return `${folder}/${name}`;
  throw new EnvironmentError(
    `The executable for ${target}`,
    `Node could not make it: ${output.trim().slice(-2_000)}`,
  );
}
