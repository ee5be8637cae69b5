/**
 * Owns the embedding of the page: src/page/ becomes the text in src/page/code.ts, so that an executable needs
 * no file beside it. Run by `npm run build:page`.
 * Must not know what the page shows.
 * Invariant: the same sources give the same text, byte for byte, on every machine and runtime.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const root: string = fileURLToPath(new URL("..", import.meta.url));

/** Where the text lives. */
export const pageCodePath: string = fileURLToPath(new URL("../src/page/code.ts", import.meta.url));

/** The page, whole, with the hashes of its script and style, and the files that went into it. */
export interface BuiltPage {
  readonly html: string;
  readonly scriptHash: string;
  readonly styleHash: string;
  readonly inputs: readonly string[];
}

/** Bundles the page. */
export function bundlePage(): BuiltPage {
  const layout = bundle("src/page/place_worker.ts");
  const script = bundle("src/page/main.ts");
  const style = bundle("src/page/page.css");
  const markup = readFileSync(new URL("../src/page/page.html", import.meta.url), "utf8");
  const data = ["head", "records", "logs", "store"].map((name) =>
    `<script type="application/x-ndjson" id="outrider-${name}"></script>`
  );
  const html = markup
    .replace(/^\s+/gm, "")
    .replace(/\s*\/\*style\*\/\s*/, () => style.text)
    // The layout's program is data here: it runs in a worker, made of this text.
    .replace(
      "</body>",
      () =>
        `<script type="text/plain" id="outrider-layout">${layout.text}</script>\n${data.join("\n")}\n` +
        `<script>${script.text}</script>\n</body>`,
    );
  return {
    html,
    scriptHash: sha256(script.text),
    styleHash: sha256(style.text),
    inputs: [...layout.inputs, ...script.inputs, ...style.inputs],
  };
}

function bundle(entry: string): { readonly text: string; readonly inputs: readonly string[] } {
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: "iife",
    platform: "browser",
    target: ["es2024"],
    legalComments: "none",
    charset: "ascii",
  });
  const text = outputFiles[0]!.text.trim();
  // Text that would end the element that it lies in.
  if (/<\/(?:script|style)|<!--/i.test(text)) {
    throw new Error(`${entry} holds markup that would end it early: write it otherwise`);
  }
  return { text, inputs: Object.keys(metafile.inputs) };
}

function sha256(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

/** The text of src/page/code.ts. */
export function pageCodeFile({ html, scriptHash, styleHash }: BuiltPage): string {
  return [
    "/**",
    " * Owns the text of the page. Generated from src/page/ by `npm run build:page`; don't edit it.",
    " * Invariant: it is what the sources in src/page/ give (tests/page/code_test.ts).",
    " */",
    "// deno-fmt-ignore-file",
    "",
    "/** The page, one document that asks for nothing but the end point's own routes. */",
    `export const pageHtml: string = ${JSON.stringify(html)};`,
    "",
    "/** Its script and its style, as a Content-Security-Policy names them. */",
    `export const pageHashes: { readonly script: string; readonly style: string } = ${
      JSON.stringify({ script: scriptHash, style: styleHash })
    };`,
    "",
  ].join("\n");
}

if (import.meta.main) {
  const text = pageCodeFile(bundlePage());
  writeFileSync(pageCodePath, text);
  process.stdout.write(`Wrote src/page/code.ts: ${text.length} bytes\n`);
}
