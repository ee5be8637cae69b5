/**
 * Owns the embedding of the installer: src/environment/install/install.sh becomes the text in install_text.ts beside it, so that an
 * executable needs no file beside it. Run by `npm run build:install`.
 * Must not know what the installer does.
 * Invariant: the same source gives the same text.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

const source = new URL("../src/environment/install/install.sh", import.meta.url);

/** Where the text lives. */
export const installTextPath: URL = new URL("../src/environment/install/install_text.ts", import.meta.url);

/** The text of install_text.ts. */
export function installTextFile(): string {
  return [
    "/**",
    " * Owns the installer's program, before anything of an environment is in it. Made by `npm run build:install`; not to be edited.",
    " * Must not know any environment.",
    " * Invariant: it is what install.sh says (tests/environment/installer_text_test.ts).",
    " */",
    "",
    "/** The text, with `@NAME@` for what script.ts puts in. */",
    "// deno-fmt-ignore",
    `export const INSTALL_SCRIPT: string = ${JSON.stringify(readFileSync(source, "utf8"))};`,
    "",
  ].join("\n");
}

if (import.meta.main) {
  const text = installTextFile();
  writeFileSync(installTextPath, text);
  process.stdout.write(`Wrote src/environment/install/install_text.ts: ${text.length} bytes\n`);
}
