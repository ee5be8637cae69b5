/**
 * Owns the building of an environment, kind by kind, and the account of what was made.
 * Must not know any kind.
 * Invariant: the record is written last, when every file that it names is whole, and signed before anybody else writes there.
 */
import { messageOf } from "../base/message.ts";
import type { Builder, BuildInput, BuildOutput } from "./builders/builder.ts";
import { BUILDERS } from "./builders/list.ts";
import { type BundledPipeline, type BundleSigner, travellingPipeline } from "./bundled.ts";
import { carriedText } from "./carried_environment.ts";
import { EnvironmentError, refusalsTold } from "./document/error.ts";
import type { EnvironmentDocument, EnvironmentKind, Target } from "./document/schema.ts";
import { Executables } from "./executable/executable.ts";
import { lockFolder } from "./folder_lock.ts";
import { byName, MADE_FILE, type MadeFile, type MadeRecord, madeText, type UsedPart } from "./made.ts";
import { digestOf, pathIn, writeWhole } from "../runtime/disk.ts";
import { runtime } from "../runtime/runtime.ts";
import { removeRecord } from "./vouch/outdated.ts";
import { PROVENANCE_FILE, provenanceText } from "./vouch/provenance.ts";
import { SBOM_FILE, sbomText } from "./vouch/sbom.ts";
import { signBuilt } from "./vouch/signed.ts";
import { VERSION } from "../version.ts";

/** What is to be built, and where. */
export interface BuildRequest {
  readonly environment: EnvironmentDocument;
  /** Absolute; paths in the environment are relative to it. */
  readonly folder: string;
  /** Default: what the environment says, or an executable. */
  readonly kinds?: readonly EnvironmentKind[];
  /** Default: what the environment says. */
  readonly targets?: readonly Target[];
  /** Absolute: where files are put. */
  readonly output: string;
  readonly cache: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  /** Who vouches for what is made, and for the pipeline inside. Default: nobody. */
  readonly signer?: BundleSigner;
  readonly progress: BuildInput["progress"];
}

/** Builds an environment. @throws {Error} With a `code`, in words, what its builders throw. */
export function buildEnvironment(request: BuildRequest): Promise<MadeRecord> {
  return refusalsTold(request.output, () => built(request));
}

async function built(request: BuildRequest): Promise<MadeRecord> {
  const { environment, output, signer } = request;
  const builders = (request.kinds ?? environment.kinds ?? ["executable"]).map(builderOf);
  let lock: Promise<() => void> | undefined;
  let before: Promise<void> | undefined;
  const begin = async () => {
    // A folder that is not there yet is not made for a build that can't begin.
    await (lock ??= lockFolder(output));
    // What is written now may be named by an earlier record, which is no longer true.
    await (before ??= removeRecord(output, runtime));
  };
  try {
    if ((await runtime.about(output))?.isFolder) await (lock = lockFolder(output));
    const { files, used } = await filesOf(request, { builders, begin });
    await begin();
    const record = recordOf(environment, { builders, files, used });
    await writeWhole(pathIn(output, SBOM_FILE), { text: await sbomText(record) });
    await writeWhole(pathIn(output, PROVENANCE_FILE), { text: provenanceText(record) });
    await writeWhole(pathIn(output, MADE_FILE), { text: madeText(record) });
    if (signer !== undefined) await signBuilt(output, signer.key, signer.version);
    return record;
  } finally {
    (await lock?.catch(() => undefined))?.();
  }
}

/** What is in what is made. */
interface Made {
  readonly files: readonly MadeFile[];
  readonly used: ReadonlyMap<string, UsedPart>;
}

async function filesOf(
  request: BuildRequest,
  { builders, begin }: { readonly builders: readonly Builder[]; readonly begin: () => Promise<void> },
): Promise<Made> {
  const { output } = request;
  const files: MadeFile[] = [];
  const used = new Map<string, UsedPart>();
  const work = await runtime.makeTempFolder();
  try {
    const input = inputOf(request, { work, used: (part) => note(used, part) });
    for (const builder of builders) {
      await builder.build(input, outputOf(builder.kind, { output, files, used, begin }));
    }
  } finally {
    await runtime.remove(work);
  }
  return { files, used };
}

function recordOf(
  { name, version }: EnvironmentDocument,
  { builders, files, used }: Made & { readonly builders: readonly Builder[] },
): MadeRecord {
  return {
    outriderMade: 1,
    name,
    ...(version !== undefined && { version }),
    outrider: VERSION,
    kinds: builders.map(({ kind }) => kind),
    files: byName(files),
    used: byName([...used.values()]),
  };
}

function builderOf(kind: string) {
  const builder = BUILDERS.find((each) => each.kind === kind);
  if (builder !== undefined) return builder;
  const kinds = BUILDERS.map((each) => each.kind).join(", ");
  throw new EnvironmentError(
    "environment build",
    `There is no kind of environment called ${JSON.stringify(kind)}: there are ${kinds}`,
  );
}

function note(used: Map<string, UsedPart>, part: UsedPart): void {
  used.set(`${part.name} ${part.version} ${part.target}`, part);
}

function inputOf(
  { environment, folder, targets, cache, epoch, signer, progress }: BuildRequest,
  { work, used }: { readonly work: string; readonly used: BuildOutput["used"] },
): BuildInput {
  const { pipeline, runtime: base = "bun" } = environment;
  const executables = new Executables(base, { cache, work, progress });
  let bundled: Promise<BundledPipeline | undefined> | undefined;
  const make = async () => {
    if (pipeline?.from !== "file") return undefined;
    const made = await travellingPipeline(pathIn(folder, pipeline.path), signer);
    if (made.signedBy !== undefined && made.signedBy !== signer?.key.publicKey.id) {
      progress(`${pipeline.path} stays signed by ${made.signedBy}`);
    }
    for (const { name, ...about } of made.packages) used({ name: `npm:${name}`, ...about });
    return made;
  };
  const bundle = () => bundled ??= make();
  return {
    environment,
    folder,
    targets: targets ?? environment.targets,
    cache,
    work,
    epoch,
    async executable(target, inside) {
      const made = await executables.make(target, inside);
      used(made.used);
      return made.path;
    },
    async base(target) {
      const { path, used: part } = await executables.base(target);
      used(part);
      return path;
    },
    program: () => executables.program(),
    bundle,
    carried: async () => carriedText(environment, await bundle()),
    progress,
  };
}

function outputOf(
  kind: EnvironmentKind,
  { output, files, used, begin }: {
    readonly output: string;
    readonly files: MadeFile[];
    readonly used: Map<string, UsedPart>;
    /** Called before a file is written. */
    readonly begin: () => Promise<void>;
  },
): BuildOutput {
  return {
    async file(name, from, { target, mode = 0o644, digest } = {}) {
      await begin();
      const path = pathIn(output, name);
      try {
        await writeWhole(path, from, mode);
      } catch (error) {
        throw new EnvironmentError(path, `It can't be written: ${messageOf(error)}`, { cause: error });
      }
      const written = await digestOf(path, "sha256");
      const made: MadeFile = {
        name,
        kind,
        ...(target !== undefined && { target }),
        bytes: written.bytes,
        sha256: written.digest,
        ...(digest !== undefined && { digest }),
        ...(mode !== 0o644 && { mode: mode.toString(8).padStart(4, "0") }),
      };
      files.push(made);
      return made;
    },
    used: (part) => note(used, part),
  };
}
