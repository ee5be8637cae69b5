/**
 * Owns which pipelines an agent takes where `OUTRIDER_TRUST` names keys, however they reach it: handed out, in a file, or kept
 * by an earlier process.
 * Must not know how signatures are verified, nor what becomes of what is refused.
 * Invariant: what is run is what was verified: a file is read once, and nothing of it is read again.
 */
import { messageOf } from "../base/message.ts";
import type { Config } from "../config/config.ts";
import { readJson } from "../model/json_text.ts";
import { PipelineError } from "../model/problem.ts";
import type { Source } from "../pipeline/load/load.ts";
import type { Runtime } from "../runtime/port.ts";
import { Versions, versionsInMemory } from "../trust/versions.ts";

/** Turns what is to be run into what may be. It rejects with why not. */
export type Admit = (source: Source) => Promise<Source>;

/** What admission stands on. */
export interface AdmissionOptions {
  readonly runtime: Pick<Runtime, "readText" | "writeText" | "syncFolder" | "fileUrl" | "filePath">;
  /** Tells a person, in words. */
  readonly note: (text: string) => void;
}

/** How this agent admits pipelines; `undefined` where nobody is named, and so all are admitted. */
export function admissionHere({ trust, stateDir }: Config, options: AdmissionOptions): Admit | undefined {
  if (trust === undefined) return undefined;
  const { runtime, note } = options;
  const versions = new Versions(stateDir === undefined ? versionsInMemory() : versionsIn(stateDir, runtime));
  const until = "; without OUTRIDER_STATE_DIR one that is older is run again after a restart";
  note(`Only what a key of OUTRIDER_TRUST has signed is run${stateDir === undefined ? until : ""}`);
  return async (source) => {
    const [{ trustedBundle }, { trustedKeys }] = await Promise.all([
      import("../trust/bundle.ts"),
      import("../trust/keys.ts"),
    ]);
    // Each time: keys in files can be added and revoked while the agent lives.
    const keys = await trustedKeys(trust, (path) => runtime.readText(path));
    const { bundle, keyId, version } = await trustedBundle(await documentOf(source, runtime), keys);
    const { hash, manifest: { name } } = bundle;
    await versions.take({ name: `pipeline ${name}`, version, hash });
    note(`Version ${version} of ${name} is signed by ${keyId}`);
    return bundle as unknown as Readonly<Record<string, unknown>>;
  };
}

/** `DIR/versions.json`; it is this agent's, as all in the state directory is. */
function versionsIn(
  stateDir: string,
  runtime: AdmissionOptions["runtime"],
): ConstructorParameters<typeof Versions>[0] {
  const path = runtime.filePath(runtime.fileUrl(`${stateDir}/versions.json`));
  return {
    read: async () => {
      try {
        return await runtime.readText(path);
      } catch (error) {
        if ((error as { readonly code?: unknown }).code === "ENOENT") return undefined;
        throw error;
      }
    },
    write: async (text) => {
      await runtime.writeText(path, text, 0o600);
      await runtime.syncFolder(runtime.filePath(runtime.fileUrl(stateDir)));
    },
  };
}

/** What is in a file is read here, so that it can't be another when it is run. */
async function documentOf(
  source: Source,
  { readText, filePath }: AdmissionOptions["runtime"],
): Promise<unknown> {
  if (typeof source !== "string" && !(source instanceof URL)) return source;
  const name = String(source);
  let text: string;
  try {
    text = await readText(/^file:/i.test(name) ? filePath(name) : name);
  } catch (cause) {
    const message = `The file can't be read: ${messageOf(cause)}`;
    throw new PipelineError([{ place: name, message }], { cause });
  }
  const { value, problems } = readJson(text, name);
  if (value !== undefined && problems.length > 0) throw new PipelineError(problems, { source: name });
  // A module, or a graph: not signed, as is said of whatever is no bundle.
  return value;
}
