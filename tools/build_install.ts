/**
 * Owns the embedding of what shells run: each script beside its sources becomes a text in a module, so that an executable needs
 * no file beside it. Run by `npm run build:install`.
 * Must not know what the scripts do.
 * Invariant: the same sources give the same texts.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

/** A module that holds scripts. */
interface Embedding {
  readonly path: string;
  /** What it owns. */
  readonly owns: string;
  /** Files beside it, by the name that each has in it. */
  readonly scripts: Readonly<Record<string, string>>;
}

const EMBEDDINGS: readonly Embedding[] = [
  {
    path: "src/environment/install/install_text.ts",
    owns: "the installer's program, before anything of an environment is in it",
    scripts: { INSTALL_SCRIPT: "install.sh", INSTALL_POWERSHELL: "install.ps1" },
  },
  {
    path: "src/environment/vm/init_text.ts",
    owns: "what a virtual machine runs before the program, before anything of an environment is in it",
    scripts: { INIT_SCRIPT: "init.sh", LEASE_SCRIPT: "lease.sh" },
  },
];

/** The modules as they should be. */
export function embeddedTexts(): { readonly path: URL; readonly text: string }[] {
  return EMBEDDINGS.map(({ path: name, owns, scripts }) => {
    const path = new URL(`../${name}`, import.meta.url);
    const lines = [
      "/**",
      ` * Owns ${owns}. Made by \`npm run build:install\`; not to be edited.`,
      " * Must not know any environment.",
      " * Invariant: it is what the scripts beside it say (tests/environment/script_test.ts).",
      " */",
      "",
    ];
    for (const [constant, script] of Object.entries(scripts)) {
      lines.push(
        `/** That of ${script}, with \`@NAME@\` for what is put in. */`,
        "// deno-fmt-ignore",
        `export const ${constant}: string = ${JSON.stringify(readFileSync(new URL(script, path), "utf8"))};`,
        "",
      );
    }
    return { path, text: lines.join("\n") };
  });
}

if (import.meta.main) {
  for (const { path, text } of embeddedTexts()) {
    writeFileSync(path, text);
    process.stdout.write(`Wrote ${path.pathname}: ${text.length} bytes\n`);
  }
}
