/**
 * Owns executables made by Bun: its compiler puts the program, as bytecode, behind any base.
 * Must not know where bases come from.
 * Invariant: the executable obeys no file that lies where it is started; the compiler obeys none beside what is put before it.
 */
import { runtime } from "../../runtime/runtime.ts";
import { EnvironmentError } from "../document/error.ts";
import { passedEnvironment, ran } from "../process.ts";
import { type Compilation, executableName } from "./compiler.ts";
import { checkProcessorFirst } from "./processor.ts";

/**
 * Bun's arguments, without those that name files. Bytecode makes a start 15 ms shorter (10 instead of 25), for 2 MB of 110.
 * What is switched off would read `.env` and `bunfig.toml` in the working directory, and run what they name.
 */
export const BUN_COMPILE: readonly string[] = [
  ...["build", "--compile", "--minify", "--bytecode", "--format=esm"],
  ...["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
  ...["--no-compile-autoload-tsconfig", "--no-compile-autoload-package-json"],
];

const LIMIT_MS = 300_000;

/** Makes one. */
export async function compileByBun(
  { program, environment, target, host, base, folder }: Compilation,
): Promise<string> {
  const texts = { program, ...(environment !== undefined && { environment }) };
  const names = Object.keys(texts);
  const files = {
    ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [`${name}.txt`, text])),
    "program.js": program,
    // A module of its own, since what is imported runs first.
    "inside.js": [
      ...names.map((name) => `import ${name} from "./${name}.txt" with { type: "file" };`),
      `globalThis["outrider.inside"] = { ${names.join(", ")} };`,
    ].join("\n"),
    "entry.js": 'import "./inside.js";\nimport "./program.js";\n',
    // So that none is looked for in the folders above.
    "package.json": '{ "private": true, "type": "module" }\n',
    "tsconfig.json": "{}\n",
  };
  for (const [name, text] of Object.entries(files)) await runtime.writeText(`${folder}/${name}`, text);
  const name = executableName(target);
  const { code, output } = await ran(
    [host, ...BUN_COMPILE, `--compile-executable-path=${base}`, `--outfile=${name}`, "entry.js"],
    // Its own settings would be looked for in these folders.
    {
      cwd: folder,
      env: { ...passedEnvironment(/^(PATH|TMPDIR)$/), HOME: folder, BUN_BE_BUN: "1" },
      limitMs: LIMIT_MS,
    },
  );
  if (code === 0) {
    if (target === "linux-x64") await checkProcessorFirst(`${folder}/${name}`);
    return `${folder}/${name}`;
  }
  throw new EnvironmentError(
    `The executable for ${target}`,
    `Bun could not make it: ${output.trim().slice(-2_000)}`,
  );
}
