/**
 * Owns the words of OCI that whoever keeps, sends or fetches content by its digest uses: digests, names, tags, media types,
 * and what a manifest refers to.
 * Must not know where content lies, nor how it is asked for.
 * Invariant: what a stranger has written is checked here before anything of it is believed.
 */
import { utf8Text } from "../base/utf8.ts";
import { messageOf } from "../base/message.ts";
import { jsonValue } from "./json_text.ts";

/** A piece of content: what it is, its digest, its size in bytes. */
export interface OciDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  /** Content that is somewhere else, and is not kept in a registry. */
  readonly urls?: readonly string[];
}

/** What content is for. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** An image or artifact, or an index of them: what of it is looked at. */
export interface OciManifest {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config?: OciDescriptor;
  /** Of an image or artifact. */
  readonly layers: readonly OciDescriptor[];
  /** Of an index. */
  readonly manifests: readonly OciDescriptor[];
  readonly isIndex: boolean;
  readonly subject?: OciDescriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

export const IMAGE = "application/vnd.oci.image.manifest.v1+json";
export const INDEX = "application/vnd.oci.image.index.v1+json";
export const DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
/** All that a manifest may be. */
export const MANIFESTS: readonly string[] = [IMAGE, INDEX, DOCKER_IMAGE, DOCKER_INDEX];
/** Configuration of an artifact that has none: `{}`. */
export const EMPTY = {
  mediaType: "application/vnd.oci.empty.v1+json",
  digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
  size: 2,
} as const;
/** Names a file in what it was made of. */
export const TITLE = "org.opencontainers.image.title";

/** A digest: SHA-256 and nothing else. */
export const DIGEST: RegExp = /^sha256:[0-9a-f]{64}$/;
export const TAG: RegExp = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
/** Longest name of a repository, characters. */
export const MAX_REPOSITORY = 255;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
/** Largest manifest, bytes. */
export const MAX_MANIFEST_BYTES: number = 4 * 1024 * 1024;
/** Most things that one manifest refers to. */
const MAX_REFERRED = 1000;

/** Whether a repository can be called so. */
export function isRepository(name: string): boolean {
  return name.length <= MAX_REPOSITORY && REPOSITORY.test(name);
}

/** What is written is no manifest. The message names the place in it. */
export class ManifestError extends Error {
  readonly code = "OUTRIDER_MANIFEST";
  override name = "ManifestError";
}

/**
 * The manifest that is written in bytes.
 *
 * @param type What its sender says that it is; its own `mediaType` has to be the same.
 * @throws {ManifestError} If it is none, or has parts that can't be.
 */
export function readManifest(bytes: Uint8Array, type: string): OciManifest {
  let value: unknown;
  try {
    value = jsonValue(utf8Text(bytes));
  } catch (error) {
    throw new ManifestError(`It is no JSON: ${messageOf(error)}`);
  }
  const found = objectAt(value, "the whole");
  if (found["schemaVersion"] !== 2) throw new ManifestError("schemaVersion has to be 2");
  if (!MANIFESTS.includes(type)) throw new ManifestError(`Its type is none of ${MANIFESTS.join(", ")}`);
  if (found["mediaType"] !== undefined && found["mediaType"] !== type) {
    throw new ManifestError(`mediaType is another than ${type}, as which it was sent`);
  }
  const isIndex = type === INDEX || type === DOCKER_INDEX;
  const config = isIndex ? undefined : descriptorAt(found["config"], "config");
  const subject = found["subject"] === undefined ? undefined : descriptorAt(found["subject"], "subject");
  const artifactType = textAt(found["artifactType"], "artifactType");
  const annotations = annotationsAt(found["annotations"], "annotations");
  return {
    mediaType: type,
    isIndex,
    layers: isIndex ? [] : descriptorsAt(found["layers"], "layers"),
    manifests: isIndex ? descriptorsAt(found["manifests"], "manifests") : [],
    ...(config !== undefined && { config }),
    ...(subject !== undefined && { subject }),
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}

/** What kind of artifact a manifest is: what it says, or what its configuration is. */
export function artifactTypeOf({ artifactType, config }: OciManifest): string | undefined {
  return artifactType ?? config?.mediaType;
}

type Json = Readonly<Record<string, unknown>>;

function objectAt(value: unknown, place: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new ManifestError(`${place} has to be an object`);
}

function textAt(value: unknown, place: string): string | undefined {
  if (value === undefined || typeof value === "string" && value.length <= 1024) return value;
  throw new ManifestError(`${place} has to be a text of at most 1024 characters`);
}

function descriptorsAt(value: unknown, place: string): OciDescriptor[] {
  if (!Array.isArray(value)) throw new ManifestError(`${place} has to be a list`);
  if (value.length > MAX_REFERRED) throw new ManifestError(`${place} has more than ${MAX_REFERRED} entries`);
  return value.map((each, at) => descriptorAt(each, `${place}[${at}]`));
}

function descriptorAt(value: unknown, place: string): OciDescriptor {
  const found = objectAt(value, place);
  const { digest, size } = found;
  if (typeof digest !== "string" || !DIGEST.test(digest)) {
    throw new ManifestError(`${place}.digest has to be sha256: and 64 hexadecimal digits`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new ManifestError(`${place}.size has to be a whole number of bytes`);
  }
  const artifactType = textAt(found["artifactType"], `${place}.artifactType`);
  const annotations = annotationsAt(found["annotations"], `${place}.annotations`);
  const platform = platformAt(found["platform"], `${place}.platform`);
  const urls = found["urls"];
  return {
    mediaType: textAt(found["mediaType"], `${place}.mediaType`) ?? "application/octet-stream",
    digest,
    size,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
    ...(platform !== undefined && { platform }),
    ...(Array.isArray(urls) && urls.length > 0 && { urls: urls.map(String) }),
  };
}

function platformAt(value: unknown, place: string): Platform | undefined {
  if (value === undefined) return undefined;
  const found = objectAt(value, place);
  const [os, architecture, variant] = ["os", "architecture", "variant"].map((name) =>
    textAt(found[name], `${place}.${name}`)
  );
  if (!os || !architecture) throw new ManifestError(`${place} has to have os and architecture`);
  return { os, architecture, ...(variant !== undefined && { variant }) };
}

function annotationsAt(value: unknown, place: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined;
  const found = objectAt(value, place);
  const wrong = Object.entries(found).find(([, text]) => typeof text !== "string");
  if (wrong) throw new ManifestError(`${place}.${wrong[0].slice(0, 100)} has to be a text`);
  return found as Readonly<Record<string, string>>;
}
