/**
 * Owns pushing what was built, from its folder, and pulling it into one.
 * Must not know how a registry is asked, nor what a person is shown.
 * Invariant: a file gets its name when its bytes have the digest of the record, and the record comes last; what was fetched
 * of one that is not whole is gone on with.
 */
import { utf8Text } from "../../base/utf8.ts";
import { soundJson } from "../../model/json_text.ts";
import type { Bytes } from "../../base/bytes.ts";
import { sha256 } from "../../base/bytes.ts";
import { EMPTY, INDEX, type OciDescriptor, type Platform, readManifest, TITLE } from "../../model/oci.ts";
import { digestOf, makeExecutable, pathIn, readBytes, writeWhole } from "../../runtime/disk.ts";
import type { Runtime } from "../../runtime/port.ts";
import { refusalsTold } from "../document/error.ts";
import type { EnvironmentKind, Target } from "../document/schema.ts";
import { alone } from "../folder_lock.ts";
import { MADE_FILE, type MadeFile, type MadeRecord, readMade } from "../made.ts";
import { type PartId, partList, partsIn } from "../parts.ts";
import { removeRecord } from "../vouch/outdated.ts";
import { PLAIN_SIGNATURE, signedName } from "../vouch/signature_file.ts";
import {
  artifactOf,
  type Document,
  ENVIRONMENT_TYPE,
  environmentIndex,
  groupsOf,
  hasPartsOf,
  isForTarget,
  type PartsLayer,
  SIGNATURE_TYPE,
  type Titled,
  typeOfKind,
  VOUCHERS,
} from "./artifacts.ts";
import { RegistryError } from "./error.ts";
import type { RegistryLine } from "./line.ts";
import { blobOf, type FoundManifest, manifestOf } from "./pull.ts";
import { type Sendable, sendBlob, sendManifest } from "./push.ts";
import { MAX_SMALL_BYTES, otherBytes, smallBlob } from "./small.ts";
import { type Judge, pullVouchers } from "./vouchers.ts";

/** What is needed beside a line. */
export interface Delivery {
  readonly line: RegistryLine;
  readonly repository: string;
  /** Absolute path of the folder. */
  readonly folder: string;
  readonly files: Pick<
    Runtime,
    "openFile" | "about" | "list" | "makeFolder" | "rename" | "remove" | "sha256"
  >;
  /** Tells a person what is being done. @param done How much of `total` is, bytes. */
  progress(step: string, done?: number, total?: number): void;
}

/** What was pushed. */
export interface Pushed {
  readonly digest: string;
  readonly tags: readonly string[];
  /** Bytes of blobs that were sent, and of those that were there already. */
  readonly sentBytes: number;
  readonly knownBytes: number;
}

/** Pushes what is in a folder. @param tags Default: the version, and `latest`. */
export function pushMade(delivery: Delivery, tags?: readonly string[]): Promise<Pushed> {
  return refusalsTold(delivery.folder, () => pushed(delivery, tags));
}

async function pushed(delivery: Delivery, tags: readonly string[] | undefined): Promise<Pushed> {
  const { line, repository, folder, files } = delivery;
  if (await files.about(pathIn(folder, MADE_FILE)) === undefined) {
    throw new RegistryError(`${folder} has no ${MADE_FILE}: it is not where an environment was built`);
  }
  const text = utf8Text(await readBytes(pathIn(folder, MADE_FILE), MAX_SMALL_BYTES));
  const record = readMade(text, MADE_FILE);
  const pusher = new Pusher(delivery);
  for (const file of record.files) await pusher.file(file);
  const made = await pusher.text(MADE_FILE, text);
  await pusher.text("configuration", "{}");
  const images = await pusher.images(record);
  const artifacts = [await pusher.document(artifactOf(ENVIRONMENT_TYPE, [made]))];
  for (const { type, files } of groupsOf(record)) {
    const layers = files.map(({ name, sha256, bytes }) => ({
      title: name,
      digest: `sha256:${sha256}`,
      size: bytes,
    }));
    const parts: PartsLayer[] = [];
    for (const file of files) if (file.kind === "executable") parts.push(await pusher.parts(file));
    artifacts.push(await pusher.document(artifactOf(type, layers, { target: files[0]!.target, parts })));
  }
  const index = environmentIndex(record, { images, artifacts });
  const wanted = tags ?? [...(record.version === undefined ? [] : [record.version]), "latest"];
  const subject = await pusher.document(index);
  await pusher.vouchers(subject, await files.list(folder));
  // The tags come last: who asks by one of them finds all of it.
  for (const tag of wanted) await sendManifest(line, repository, { ...index, tag });
  return { digest: subject.digest, tags: wanted, ...pusher.counted };
}

/** Sends one thing after the other, and counts. */
class Pusher {
  readonly #delivery: Delivery;
  readonly counted = { sentBytes: 0, knownBytes: 0 };

  constructor(delivery: Delivery) {
    this.#delivery = delivery;
  }

  async file({ name, sha256, bytes }: MadeFile): Promise<void> {
    const { files, folder } = this.#delivery;
    const file = await files.openFile(pathIn(folder, name), "read").catch((cause) => {
      throw new RegistryError(`${name} is in ${MADE_FILE} and can't be read: build it again`, { cause });
    });
    try {
      if (await file.size() !== bytes) {
        throw new RegistryError(`${name} has another size than ${MADE_FILE} says: build it again`);
      }
      await this.#blob(name, {
        digest: `sha256:${sha256}`,
        size: bytes,
        read: (at, most) => file.read(at, most),
      });
    } finally {
      await file.close();
    }
  }

  /** The list of a file's parts: a device that has another environment fetches what is not the same. */
  async parts({ name, sha256, bytes }: MadeFile): Promise<PartsLayer> {
    const { files, folder } = this.#delivery;
    const file = await files.openFile(pathIn(folder, name), "read");
    try {
      const list = await partList(bytes, (at, most) => file.read(at, most));
      return { ...await this.#bytes(`parts of ${name}`, list), of: `sha256:${sha256}` };
    } finally {
      await file.close();
    }
  }

  text(title: string, text: string): Promise<Titled> {
    return this.#bytes(title, new TextEncoder().encode(text));
  }

  async #bytes(title: string, bytes: Bytes): Promise<Titled> {
    const blob = { digest: `sha256:${await sha256(bytes)}`, size: bytes.length };
    await this.#blob(title, { ...blob, read: (at, most) => Promise.resolve(bytes.subarray(at, at + most)) });
    return { title, ...blob };
  }

  document({ type, bytes }: Document): Promise<OciDescriptor> {
    const { line, repository } = this.#delivery;
    return sendManifest(line, repository, { bytes, type });
  }

  /** The images of all layouts, whose blobs are there. */
  async images(record: MadeRecord): Promise<OciDescriptor[]> {
    const found: OciDescriptor[] = [];
    for (const { name } of record.files.filter(({ name }) => /\.oci\/index\.json$/.test(name))) {
      const { manifests } = await this.#manifest(name, INDEX);
      for (const each of manifests) found.push(...await this.#image(name.replace(/index\.json$/, ""), each));
    }
    return found;
  }

  /** What vouches for what was pushed. */
  async vouchers(subject: OciDescriptor, names: readonly string[]): Promise<void> {
    for (const [ending, type] of VOUCHERS) {
      const titled: Titled[] = [];
      for (const name of names.filter((each) => each.endsWith(ending))) {
        titled.push(await this.text(name, await this.#text(name)));
      }
      if (titled.length > 0) await this.document(artifactOf(type, titled, { subject }));
    }
    const signed = names.filter((name) => signedName(name) !== undefined);
    for (const ending of new Set(signed.map((name) => name.slice(signedName(name)!.length)))) {
      const titled: Titled[] = [];
      for (const name of signed.filter((each) => each === `${signedName(each)!}${ending}`)) {
        titled.push(await this.text(`${signedName(name)!}${PLAIN_SIGNATURE}`, await this.#text(name)));
      }
      const record = `${MADE_FILE}${ending}`;
      const signature = signed.includes(record) ? await this.#text(record) : undefined;
      await this.document(artifactOf(SIGNATURE_TYPE, titled, { subject, signature }));
    }
  }

  async #text(name: string): Promise<string> {
    return utf8Text(
      await readBytes(pathIn(this.#delivery.folder, name), MAX_SMALL_BYTES),
    );
  }

  async #manifest(name: string, type: string) {
    const bytes = await readBytes(pathIn(this.#delivery.folder, name), MAX_SMALL_BYTES);
    return { bytes, type, ...readManifest(bytes, type) };
  }

  /** An image, or those of an index. */
  async #image(layout: string, described: OciDescriptor): Promise<OciDescriptor[]> {
    const name = `${layout}blobs/sha256/${described.digest.slice(7)}`;
    const { bytes, manifests, isIndex } = await this.#manifest(name, described.mediaType);
    if (!isIndex) {
      await this.document({ type: described.mediaType, bytes });
      const { mediaType, digest, size, platform } = described;
      return [{ mediaType, digest, size, ...(platform && { platform }) }];
    }
    const found: OciDescriptor[] = [];
    for (const each of manifests) found.push(...await this.#image(layout, each));
    return found;
  }

  async #blob(name: string, blob: Sendable): Promise<void> {
    const { line, repository, progress } = this.#delivery;
    let done = 0;
    progress(name, 0, blob.size);
    const sent = await sendBlob(line, repository, {
      blob,
      sent: (bytes) => progress(name, done += bytes, blob.size),
    });
    this.counted[sent ? "sentBytes" : "knownBytes"] += blob.size;
  }
}

/** Which files are wanted. Default: all. */
export interface WantedFiles {
  readonly kinds?: readonly EnvironmentKind[] | undefined;
  readonly targets?: readonly Target[] | undefined;
}

/** The record of what is under a reference; nothing if that is no environment of ours. */
export async function recordOf(
  { line, repository }: Pick<Delivery, "line" | "repository">,
  { manifest }: FoundManifest,
): Promise<{ readonly record: MadeRecord; readonly text: string } | undefined> {
  const described = manifest.manifests.find(({ artifactType }) => artifactType === ENVIRONMENT_TYPE);
  if (described === undefined) return undefined;
  const found = await manifestOf(line, repository, described.digest);
  const layer = found?.manifest.layers.find(({ annotations }) => annotations?.[TITLE] === MADE_FILE);
  if (layer === undefined) throw new RegistryError(`${repository} has an environment without ${MADE_FILE}`);
  const text = utf8Text(await smallBlob({ line, repository }, layer));
  return { text, record: readMade(text, `${repository}/${MADE_FILE}`) };
}

/** The parts of an executable; none, if whoever has pushed it did not list them. */
export async function executableParts(
  { line, repository }: Pick<Delivery, "line" | "repository">,
  { manifest }: FoundManifest,
  { sha256, bytes, target }: Pick<MadeFile, "sha256" | "bytes"> & { readonly target: Target },
): Promise<readonly PartId[]> {
  const described = manifest.manifests.find((each) =>
    each.artifactType === typeOfKind("executable") && isForTarget(each, target)
  );
  const found = described && await manifestOf(line, repository, described.digest);
  const layer = found?.manifest.layers.find((each) => hasPartsOf(each, `sha256:${sha256}`));
  return layer === undefined ? [] : partsIn(await smallBlob({ line, repository }, layer), bytes);
}

/** What of an environment is pulled. */
interface Wanted extends WantedFiles {
  readonly record: MadeRecord;
  readonly text: string;
  /** Whose signatures count. Default: anybody's. */
  readonly judge?: Judge | undefined;
}

/** Pulls what was built, or what of it is wanted. @returns Names of the files. */
export function pullMade(
  delivery: Delivery,
  found: FoundManifest,
  wanted: Wanted,
): Promise<readonly MadeFile[]> {
  return refusalsTold(delivery.folder, () => pulledMade(delivery, found, wanted));
}

async function pulledMade(
  delivery: Delivery,
  found: FoundManifest,
  { record, text, kinds, targets, judge }: Wanted,
): Promise<readonly MadeFile[]> {
  const { folder, files } = delivery;
  const wanted = record.files.filter(({ kind, target }) =>
    (kinds?.includes(kind) ?? true) && (target === undefined || (targets?.includes(target) ?? true))
  );
  if (wanted.length === 0) {
    const there = [...new Set(record.files.map(({ kind, target }) => `${kind} ${target ?? ""}`.trim()))].join(
      ", ",
    );
    throw new RegistryError(`Nothing of ${record.name} is of that kind and target: it has ${there}`);
  }
  return await alone(folder, async () => {
    // What is written now may be named by an earlier record, which is no longer true.
    await removeRecord(folder, files);
    for (const file of wanted) {
      const { name, sha256, bytes, mode } = file;
      await fetchFile(delivery, name, { digest: `sha256:${sha256}`, size: bytes });
      if (mode !== undefined && (Number.parseInt(mode, 8) & 0o111) !== 0) {
        await makeExecutable(pathIn(folder, name));
      }
    }
    await pullVouchers(delivery, found.descriptor.digest, { text, judge });
    await writeWhole(pathIn(folder, MADE_FILE), { text });
    return wanted;
  });
}

/** Fetches a file, or the rest of it, and holds it to its digest. */
async function fetchFile(
  { line, repository, folder, files, progress }: Delivery,
  name: string,
  blob: Pick<OciDescriptor, "digest" | "size">,
): Promise<void> {
  const path = pathIn(folder, name);
  const { digest, size } = blob;
  progress(name, 0, size);
  const there = await files.about(path);
  if (there?.size === size && `sha256:${(await digestOf(path, "sha256")).digest}` === digest) return;
  const part = `${path}.${digest.slice(7, 19)}.part`;
  await files.makeFolder(pathIn(path, ".."));
  const file = await files.openFile(part, "write");
  try {
    const hash = await files.sha256();
    let at = 0;
    for (const held = Math.min(await file.size(), size); at < held;) {
      const piece = await file.read(at, Math.min(1024 * 1024, held - at));
      if (piece.length === 0) break;
      hash.update(piece);
      at += piece.length;
    }
    for await (const piece of blobOf(line, repository, { blob, from: at })) {
      await file.write(at, piece);
      hash.update(piece);
      progress(name, at += piece.length, size);
    }
    await file.cut(size);
    await file.sync();
    const found = `sha256:${hash.hex()}`;
    if (found !== digest) {
      await files.remove(part);
      throw otherBytes(name, found);
    }
  } finally {
    await file.close();
  }
  await files.rename(part, path);
}

/** Pulls an image of others, for one platform, as a folder of images (OCI image layout). @returns What describes it. */
export function pullImage(
  delivery: Delivery,
  found: FoundManifest,
  wanted: Platform,
): Promise<OciDescriptor> {
  const { folder } = delivery;
  return refusalsTold(folder, async () => {
    const chosen = await chosenOf(delivery, found, wanted);
    return await alone(folder, () => pulledImage(delivery, chosen, wanted));
  });
}

async function pulledImage(
  delivery: Delivery,
  chosen: FoundManifest,
  wanted: Platform,
): Promise<OciDescriptor> {
  const { line, repository, folder } = delivery;
  const { config, layers } = chosen.manifest;
  for (const blob of [...(config ? [config] : []), ...layers]) {
    await fetchFile(delivery, `blobs/sha256/${blob.digest.slice(7)}`, blob);
  }
  const { digest, mediaType, size } = chosen.descriptor;
  await writeWhole(pathIn(folder, `blobs/sha256/${digest.slice(7)}`), { bytes: chosen.bytes });
  const index = {
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: [{ mediaType, digest, size, platform: wanted }],
  };
  await writeWhole(pathIn(folder, "oci-layout"), { text: '{"imageLayoutVersion":"1.0.0"}' });
  await writeWhole(pathIn(folder, "index.json"), { text: JSON.stringify(index) });
  delivery.progress(`${line.url}/${repository}`);
  return chosen.descriptor;
}

/** The image for a platform. @throws {RegistryError} If there is none. */
async function chosenOf(
  { line, repository }: Delivery,
  found: FoundManifest,
  wanted: Platform,
): Promise<FoundManifest> {
  const said = (platform: Partial<Platform> = {}) => `${platform.os ?? "?"}/${platform.architecture ?? "?"}`;
  const { manifest } = found;
  if (manifest.isIndex) {
    const fits = manifest.manifests.find(({ platform }) => said(platform) === said(wanted));
    const there = manifest.manifests.map(({ platform }) => said(platform)).join(", ");
    if (fits === undefined) throw foreign(repository, there, said(wanted));
    const inner = await manifestOf(line, repository, fits.digest);
    if (inner === undefined) {
      throw new RegistryError(`${repository} has no ${fits.digest}, which its index names`);
    }
    return inner.manifest.isIndex ? await chosenOf({ line, repository } as Delivery, inner, wanted) : inner;
  }
  const { config } = manifest;
  if (config === undefined || config.mediaType === EMPTY.mediaType) return found;
  const text = utf8Text(await smallBlob({ line, repository }, config));
  const about = parsed(text);
  if (about?.os !== undefined && said(about) !== said(wanted)) {
    throw foreign(repository, said(about), said(wanted));
  }
  return found;
}

function parsed(text: string): Partial<Platform> | undefined {
  return soundJson(text) as Partial<Platform> | undefined;
}

function foreign(repository: string, there: string, wanted: string): RegistryError {
  return new RegistryError(
    `${repository} is for ${there}, and not for ${wanted}: ask for another target, or another image`,
  );
}
