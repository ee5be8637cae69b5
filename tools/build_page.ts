/**
 * Owns the embedding of the pages: src/page/ becomes the text in src/page/code.ts, and with what is the gateway's own in
 * src/page/gateway/code.ts, so that an executable needs no file beside it. Run by `npm run build:page`.
 * Must not know what a page shows.
 * Invariant: the same sources give the same text, byte for byte, on every machine and runtime; neither page has the other.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const root: string = fileURLToPath(new URL("..", import.meta.url));

/** What a page is made of. Paths are relative to the repository. */
export interface PageSources {
  readonly what: string;
  readonly script: string;
  readonly style: string;
  /** Where the same is told as JSON. */
  readonly told: string;
  /** Blocks of the document that a report fills. */
  readonly blocks: readonly string[];
  /** Where the text lives. */
  readonly code: string;
}

/** All pages. */
export const PAGES: readonly PageSources[] = [
  {
    what: "the executor's page",
    script: "src/page/main.ts",
    style: "src/page/page.css",
    told: "by /status, /pipeline, /result and /logs",
    blocks: ["head", "records", "logs", "store"],
    code: "src/page/code.ts",
  },
  {
    what: "the gateway's page",
    script: "src/page/gateway/main.ts",
    style: "src/page/gateway/gateway.css",
    told: "/v1/openapi.json says where",
    blocks: [],
    code: "src/page/gateway/code.ts",
  },
];

/** A page, whole, with the hashes of its script and style, and the files that went into it. */
export interface BuiltPage {
  readonly html: string;
  readonly scriptHash: string;
  readonly styleHash: string;
  readonly inputs: readonly string[];
}

/** Bundles a page. */
export function bundlePage(page: PageSources): BuiltPage {
  const layout = bundle("src/page/place_worker.ts");
  const script = bundle(page.script);
  const style = bundle(page.style);
  const markup = readFileSync(new URL("../src/page/page.html", import.meta.url), "utf8");
  const data = page.blocks.map((name) =>
    `<script type="application/x-ndjson" id="outrider-${name}"></script>\n`
  );
  const html = markup
    .replace(/^\s+/gm, "")
    .replace("/*told*/", page.told)
    .replace(/\s*\/\*style\*\/\s*/, () => style.text)
    // The layout's program is data here: it runs in a worker, made of this text.
    .replace(
      "</body>",
      () =>
        `<script type="text/plain" id="outrider-layout">${layout.text}</script>\n${data.join("")}` +
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

/** The text of the file that holds a page. */
export function pageCodeFile({ what }: PageSources, { html, scriptHash, styleHash }: BuiltPage): string {
  return [
    "/**",
    ` * Owns the text of ${what}. Generated from src/page/ by \`npm run build:page\`; don't edit it.`,
    " * Invariant: it is what the sources in src/page/ give (tests/page/code_test.ts).",
    " */",
    "// deno-fmt-ignore-file",
    "",
    "/** The page, one document that asks for nothing but the routes of who serves it. */",
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
  for (const page of PAGES) {
    const text = pageCodeFile(page, bundlePage(page));
    writeFileSync(root + page.code, text);
    process.stdout.write(`Wrote ${page.code}: ${text.length} bytes\n`);
  }
}
