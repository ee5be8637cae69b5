/**
 * Owns how what was built lies in a registry: one index, with the images first, so that `docker pull` finds them, then an
 * artifact for the record, and one for the files of each kind and target; what vouches for all of it refers to the index.
 * Must not know how anything is sent.
 * Invariant: the same files give the same digests.
 *
 *   NAME:TAG  index
 *     ├─ image, one a platform                             of NAME.oci/
 *     ├─ application/vnd.outrider.environment.v1           environment.made.json
 *     ├─ application/vnd.outrider.executable.v1            NAME-linux-x64 …
 *     ┆
 *     ◂─ application/vnd.outrider.signature.v1             *.minisig
 *     ◂─ application/vnd.cyclonedx+json, vnd.in-toto+json  *.cdx.json, *.intoto.json
 */
import type { Bytes } from "../../base/bytes.ts";
import { EMPTY, IMAGE, INDEX, type OciDescriptor, TITLE } from "../../model/oci.ts";
import type { Target } from "../document/schema.ts";
import type { MadeFile, MadeRecord } from "../made.ts";

/** What the record of an environment is. */
export const ENVIRONMENT_TYPE = "application/vnd.outrider.environment.v1";
/** What may vouch for an environment, by how the names of its files end. */
export const VOUCHERS: readonly (readonly [ending: string, type: string])[] = [
  [".minisig", "application/vnd.outrider.signature.v1"],
  [".cdx.json", "application/vnd.cyclonedx+json"],
  [".intoto.json", "application/vnd.in-toto+json"],
];
const FILE_TYPE = "application/octet-stream";
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
    type: `application/vnd.outrider.${files[0]!.kind}.v1`,
    files,
  }));
}

/** An artifact of files. */
export function artifactOf(
  artifactType: string,
  files: readonly Titled[],
  { subject, target }: { readonly subject?: OciDescriptor; readonly target?: Target | undefined } = {},
): Document {
  return documentOf(IMAGE, {
    artifactType,
    config: EMPTY,
    layers: files.map(({ digest, size, title }) => (
      { mediaType: FILE_TYPE, digest, size, annotations: { [TITLE]: title } }
    )),
    ...(subject && { subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size } }),
    ...(target !== undefined && { annotations: { "org.outrider.target": target } }),
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
