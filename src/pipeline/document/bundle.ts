/**
 * Owns the form of a bundle: a pipeline with the code of its tasks in one JSON document, and the hash that covers both.
 * Must not know how code is bundled (src/environment/bundling.ts), nor where a bundle comes from.
 * Invariant: nothing of a bundle is used unless its hash is that of its contents.
 */
import { toBase64 } from "../../base/base64.ts";
import { sha256 } from "../../base/bytes.ts";
import { deeperThan } from "../../base/depth.ts";
import { moduleOf } from "../load/data_url.ts";
import { TOO_DEEP } from "../../model/json_text.ts";
import { isRecord, LIMITS, type Manifest } from "./manifest.ts";
import { PipelineError, type Problem, show } from "../../model/problem.ts";

/** A pipeline with its code. */
export interface Bundle {
  /** Version of this form. */
  readonly outriderBundle: 1;
  /** SHA-256 of the manifest and the code, lower-case hexadecimal. */
  readonly hash: string;
  /** Modules are `bundle:`, which stands for `code`. */
  readonly manifest: Manifest;
  /** JavaScript source of one module. */
  readonly code: string;
  /** Files that tasks of other languages need. Default: none. */
  readonly files?: CarriedFiles;
  /** Who signed all of the above: text of a signature of minisign (trust/). It is of no concern to who runs the bundle. */
  readonly signature?: string;
}

/** Texts of files by their names: `FOLDER/NAME`, where folders are numbered. In a manifest `bundle:FOLDER/NAME`. */
export type CarriedFiles = Readonly<Record<string, string>>;

/** How a manifest in a bundle names the bundle's own code. */
export const BUNDLE_MODULE = "bundle:";

/** Longest code, in bytes of UTF-8: its `data:` URL is a module of a manifest. */
export const MAX_CODE_BYTES: number = Math.floor((LIMITS.module - 100) / 4) * 3;

/** Makes a bundle. */
export async function makeBundle(manifest: Manifest, code: string, files?: CarriedFiles): Promise<Bundle> {
  const contents = { manifest, code, ...(files !== undefined && { files }) };
  return { outriderBundle: 1, hash: await hashOf(contents), ...contents };
}

/** The text of a bundle's file. */
export function bundleText(bundle: Bundle): string {
  return `${JSON.stringify(bundle)}\n`;
}

/** Whether a document means to be a bundle. */
export function isBundle(document: unknown): document is { readonly outriderBundle: unknown } {
  return isRecord(document) && "outriderBundle" in document;
}

/**
 * The manifest of a bundle, its modules pointing to a `data:` URL of the bundle's code.
 *
 * @param name For the places of problems.
 * @throws {PipelineError} If it is no whole bundle, of a newer version, or was changed after it was made.
 */
export async function openBundle(document: unknown, name: string): Promise<unknown> {
  const problem = await bundleProblem(document);
  if (problem !== undefined) throw new PipelineError([problem], { source: name });
  const { manifest, code, files } = document as Bundle;
  const url = code === "" ? "" : moduleOf(code);
  const carried = files === undefined ? undefined : filesUrl(files);
  const tasks = Object.entries(manifest.tasks).map(([task, entry]) =>
    [task, withFiles(withCode(entry, url), carried)] as const
  );
  return { ...manifest, tasks: Object.fromEntries(tasks) };
}

/** A task of a bundle with the URL of the bundle's code. What has not the shape of a task is left to the check of shapes. */
function withCode(entry: unknown, url: string): unknown {
  if (!isRecord(entry) || !isRecord(entry["run"]) || entry["run"]["module"] !== BUNDLE_MODULE) return entry;
  return { ...entry, run: { ...entry["run"], module: url } };
}

/** The URL of all files; behind a `#` comes the name of one of them. */
function filesUrl(files: CarriedFiles): string {
  return `data:application/json;base64,${toBase64(new TextEncoder().encode(JSON.stringify(files)))}`;
}

/** A task of a bundle with the URLs of the files that it names. */
function withFiles(entry: unknown, url: string | undefined): unknown {
  if (url === undefined || !isRecord(entry) || !isRecord(entry["run"])) return entry;
  const run = Object.entries(entry["run"]).map(([key, value]) => {
    const named = typeof value === "string" && value.startsWith(BUNDLE_MODULE) && value !== BUNDLE_MODULE;
    return [key, named ? `${url}#${value.slice(BUNDLE_MODULE.length)}` : value] as const;
  });
  return { ...entry, run: Object.fromEntries(run) };
}

/** What is wrong with a bundle: its version, a part that is missing, or contents that have another hash. */
export async function bundleProblem(document: unknown): Promise<Problem | undefined> {
  const { outriderBundle: version, hash, manifest, code, files } = document as Readonly<
    Record<string, unknown>
  >;
  if (version !== 1) {
    return {
      place: "outriderBundle",
      message: `Must be 1, the version of this form; received ${
        show(version)
      }: use the Outrider that made it`,
    };
  }
  if (typeof hash !== "string") return missing("hash", hash);
  if (typeof code !== "string") return missing("code", code);
  if (files !== undefined && !isFiles(files)) return missing("files", files);
  if (!isRecord(manifest) || !isRecord(manifest["tasks"])) return missing("manifest", manifest);
  // Before it is hashed: that walks down by recursion.
  if (deeperThan(manifest, LIMITS.depth)) return { place: "manifest", message: TOO_DEEP };
  const actual = await hashOf({
    manifest: manifest as unknown as Manifest,
    code,
    ...(files !== undefined && { files }),
  });
  if (actual === hash) return undefined;
  return {
    place: "hash",
    message: `The bundle says ${
      show(hash)
    }, its contents have ${actual}: it was changed or damaged after it was made, and is not run; make it anew with outrider bundle`,
  };
}

function missing(place: string, received: unknown): Problem {
  return {
    place,
    message: `Missing or of the wrong kind: received ${
      show(received)
    }; make the bundle anew with outrider bundle`,
  };
}

function isFiles(files: unknown): files is CarriedFiles {
  return isRecord(files) && Object.values(files).every((text) => typeof text === "string");
}

/** Of a fixed form, so that white space in the file does not matter. */
function hashOf({ manifest, code, files }: Pick<Bundle, "manifest" | "code" | "files">): Promise<string> {
  return sha256(JSON.stringify(files === undefined ? [manifest, code] : [manifest, code, files]));
}
