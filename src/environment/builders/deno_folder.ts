/**
 * Owns the environment of Deno where no base for `deno compile` can be had: a folder for each target, with Deno, the program and
 * what starts them.
 * Must not know where Deno comes from.
 * Invariant: what is started obeys no configuration but what is in the folder.
 */
import type { Target } from "../document/schema.ts";
import type { BuildInput, BuildOutput } from "./builder.ts";

const FLAGS = "run --allow-all --no-check --no-config --no-lock --no-remote --no-npm";

/** For systems with a shell. It may be called by a link. */
const SHELL = `#!/bin/sh
# Starts Outrider in its environment: both lie beside this file.
set -eu
file=$0
while [ -L "$file" ]; do
  link=$(readlink "$file")
  case $link in /*) file=$link ;; *) file=$(dirname "$file")/$link ;; esac
done
here=$(cd "$(dirname "$file")" && pwd -P)
OUTRIDER_ENVIRONMENT=\${OUTRIDER_ENVIRONMENT-$here/environment.json}
export OUTRIDER_ENVIRONMENT
exec "$here/deno" ${FLAGS} "$here/outrider.js" "$@"
`;

const WINDOWS = [
  "@echo off",
  "rem Starts Outrider in its environment: both lie beside this file.",
  'if not defined OUTRIDER_ENVIRONMENT set "OUTRIDER_ENVIRONMENT=%~dp0environment.json"',
  `"%~dp0deno.exe" ${FLAGS} "%~dp0outrider.js" %*`,
  "",
].join("\r\n");

/** `NAME-TARGET.deno/`, in which `outrider` is started. */
export async function denoFolder(input: BuildInput, target: Target, out: BuildOutput): Promise<void> {
  const folder = `${input.environment.name}-${target}.deno`;
  const windows = target.startsWith("windows-");
  const put = (name: string, from: Parameters<BuildOutput["file"]>[1], mode = 0o644) =>
    out.file(`${folder}/${name}`, from, { target, mode });
  await put(windows ? "deno.exe" : "deno", { path: await input.base(target) }, 0o755);
  await put("outrider.js", { text: await input.program() });
  await put("environment.json", { text: await input.carried() });
  await put(windows ? "outrider.cmd" : "outrider", { text: windows ? WINDOWS : SHELL }, 0o755);
}
