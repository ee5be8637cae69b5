/**
 * Owns how what was built lies in a registry: one index, with the images first, so that `docker pull` finds them, then an
 * artifact for the record, and one for the files of each kind and target; what vouches for all of it refers to the index.
 * Must not know how anything is sent.
 * Invariant: the same files give the same digests.
 *
 *   NAME:TAG  index
 *     ├─ image, one a platform                             of NAME.oci/
 *     ├─ application/vnd.outrider.environment.v1           environment.made.json
 *     ├─ application/vnd.outrider.executable.v1            NAME-linux-x64 …, and the list of its parts
 *     ┆
 *     ◂─ application/vnd.outrider.signature.v1             *.minisig
 *     ◂─ application/vnd.cyclonedx+json, vnd.in-toto+json  *.cdx.json, *.intoto.json
 */
import type { Bytes } from "../../base/bytes.ts";
import { EMPTY, IMAGE, INDEX, type OciDescriptor, TITLE } from "../../model/oci.ts";
import type { EnvironmentKind, Target } from "../document/schema.ts";
import type { MadeFile, MadeRecord } from "../made.ts";

/** What the record of an environment is. */
export const ENVIRONMENT_TYPE = "application/vnd.outrider.environment.v1";
/** What signatures of an environment's files are. */
export const SIGNATURE_TYPE = "application/vnd.outrider.signature.v1";
/** An annotation of theirs: the text of the record's signature, so that a list of many tells which of them counts. */
export const SIGNATURE_NOTE = "org.outrider.signature";
/** What else may vouch for an environment, by how the names of its files end. */
export const VOUCHERS: readonly (readonly [ending: string, type: string])[] = [
  [".cdx.json", "application/vnd.cyclonedx+json"],
  [".intoto.json", "application/vnd.in-toto+json"],
];
const FILE_TYPE = "application/octet-stream";
const PARTS_TYPE = "application/vnd.outrider.parts.v1";
/** Names the digest of the file whose parts are listed. */
const PARTS_OF = "org.outrider.parts.of";
const TARGET = "org.outrider.target";
/** What is for no platform that runs images: who looks for an image passes it over. */
const NOT_AN_IMAGE = { os: "unknown", architecture: "unknown" } as const;

/** A file's place in a registry. */
export interface Titled extends Pick<OciDescriptor, "digest" | "size"> {
  readonly title: string;
}

/** A document of a registry. */
export interface Document {
  readonly type: string;
  readonly bytes: Bytes;
}

/** The platform of a target, in the words of images. */
export function platformOf(target: Target): { readonly os: string; readonly architecture: string } {
  const [os, machine] = target.split("-") as [string, string];
  return { os, architecture: machine === "x64" ? "amd64" : machine };
}

/** What the artifact is that has files of a kind. */
export function typeOfKind(kind: EnvironmentKind): string {
  return `application/vnd.outrider.${kind}.v1`;
}

/** The files of a record that go together: those of one kind and target. */
export function groupsOf(
  { files }: MadeRecord,
): readonly { readonly type: string; readonly files: MadeFile[] }[] {
  const groups = new Map<string, MadeFile[]>();
  for (const file of files) {
    const key = `${file.kind} ${file.target ?? ""}`;
    groups.set(key, [...groups.get(key) ?? [], file]);
  }
  return [...groups.values()].map((files) => ({
    type: typeOfKind(files[0]!.kind),
    files,
  }));
}

/** A list of parts, in the artifact that has their file. */
export interface PartsLayer extends Pick<OciDescriptor, "digest" | "size"> {
  /** The digest of the file. */
  readonly of: string;
}

/** What says which parts a file has, in an index and in the artifact. */
export const isForTarget = ({ annotations }: OciDescriptor, target: Target): boolean =>
  annotations?.[TARGET] === target;
export const hasPartsOf = ({ mediaType, annotations }: OciDescriptor, of: string): boolean =>
  mediaType === PARTS_TYPE && annotations?.[PARTS_OF] === of;

/** An artifact of files. */
export function artifactOf(
  artifactType: string,
  files: readonly Titled[],
  { subject, target, parts = [], signature }: {
    readonly subject?: OciDescriptor;
    readonly target?: Target | undefined;
    readonly parts?: readonly PartsLayer[];
    readonly signature?: string | undefined;
  } = {},
): Document {
  const annotations = {
    ...(target !== undefined && { [TARGET]: target }),
    ...(signature !== undefined && { [SIGNATURE_NOTE]: signature }),
  };
  return documentOf(IMAGE, {
    artifactType,
    config: EMPTY,
    layers: [
      ...files.map(({ digest, size, title }) => (
        { mediaType: FILE_TYPE, digest, size, annotations: { [TITLE]: title } }
      )),
      ...parts.map(({ digest, size, of }) => (
        { mediaType: PARTS_TYPE, digest, size, annotations: { [PARTS_OF]: of } }
      )),
    ],
    ...(subject && { subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size } }),
    ...(Object.keys(annotations).length > 0 && { annotations }),
  });
}

/** The index of all. */
export function environmentIndex(
  { name, version }: MadeRecord,
  { images, artifacts }: {
    readonly images: readonly OciDescriptor[];
    readonly artifacts: readonly OciDescriptor[];
  },
): Document {
  return documentOf(INDEX, {
    artifactType: ENVIRONMENT_TYPE,
    manifests: [...images, ...artifacts.map((each) => ({ ...each, platform: NOT_AN_IMAGE }))],
    annotations: {
      [TITLE]: name,
      ...(version !== undefined && { "org.opencontainers.image.version": version }),
    },
  });
}

function documentOf(type: string, what: object): Document {
  const text = JSON.stringify({ schemaVersion: 2, mediaType: type, ...what });
  return { type, bytes: new TextEncoder().encode(text) };
}
