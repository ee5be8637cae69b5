/**
 * Owns the image that another stands on: one platform's layers and configuration, out of an image layout on disk.
 * Must not know what is put on top of it.
 * Invariant: every document and layer has the digest that names it; nothing of it is written or run.
 */
import { utf8Text } from "../../base/utf8.ts";
import { jsonValue } from "../../model/json_text.ts";
import * as v from "valibot";
import { messageOf } from "../../base/message.ts";
import { digestOf, pathIn, readBytes } from "../../runtime/disk.ts";
import { EnvironmentError } from "../document/error.ts";
import { linkEntry, type RootEntry, rootPath } from "../root/entry.ts";
import type { Descriptor, ImageBlob, ImagePlatform } from "./blob.ts";
import type { ImageLayer } from "./layer.ts";
import { tarHeaders } from "./tar_headers.ts";

/** What an image takes over. */
export interface BaseImage {
  readonly layers: readonly ImageLayer[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  /** What lies in it: folders as they are; of all else only that it is there, as a link. */
  readonly entries: readonly RootEntry[];
}

const MAX_DOCUMENT_BYTES = 4 * 1024 ** 2;
const MAX_LAYERS = 200;
/** An index may lead to an index. */
const MAX_DEPTH = 4;

const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/));
const descriptor = v.object({
  mediaType: v.string(),
  digest,
  size: v.pipe(v.number(), v.integer(), v.minValue(0)),
  platform: v.optional(v.object({ os: v.string(), architecture: v.string() })),
});
const index = v.object({ manifests: v.array(descriptor) });
const manifest = v.object({
  config: descriptor,
  layers: v.pipe(v.array(descriptor), v.maxLength(MAX_LAYERS)),
});
const config = v.object({
  architecture: v.string(),
  os: v.string(),
  config: v.optional(v.object({ Env: v.nullish(v.array(v.string())) })),
  rootfs: v.object({ diff_ids: v.array(digest) }),
});

/** Reads it. @param layout The folder of the layout. @throws {EnvironmentError} If there is none for the platform, or it is not whole. */
export async function readBase(layout: string, platform: ImagePlatform): Promise<BaseImage> {
  const files = new Layout(layout);
  const top = v.safeParse(index, await files.json("index.json"));
  if (!top.success) {
    throw unusable(layout, "it is no image layout: there is no index.json with manifests in it");
  }
  const found = await files.find(top.output.manifests as Descriptor[], platform, 0);
  if (found === undefined) {
    throw unusable(layout, `it has no image for ${platform.os} on ${platform.architecture}`);
  }
  const image = v.safeParse(manifest, await files.document(found));
  const about = image.success
    ? v.safeParse(config, await files.document(image.output.config as Descriptor))
    : image;
  if (!image.success || !about.success) throw unusable(layout, "its manifest or configuration can't be read");
  const { rootfs, config: run, ...made } = about.output as v.InferOutput<typeof config>;
  if (made.os !== platform.os || made.architecture !== platform.architecture) {
    throw unusable(
      layout,
      `its image is for ${made.os} on ${made.architecture}, and not for ${platform.architecture}`,
    );
  }
  if (rootfs.diff_ids.length !== image.output.layers.length) {
    throw unusable(layout, "its layers are not those of its configuration");
  }
  const layers: ImageLayer[] = [];
  for (const [at, layer] of image.output.layers.entries()) {
    layers.push({ blob: await files.blob(layer as Descriptor), diffId: rootfs.diff_ids[at]!, about: "base" });
  }
  return { layers, env: run?.Env ?? [], entries: await entriesOf(layout, layers) };
}

/** By the names in its layers, the later word for the earlier one. What a later layer takes away is of no harm. */
async function entriesOf(layout: string, layers: readonly ImageLayer[]): Promise<RootEntry[]> {
  const found = new Map<string, RootEntry>();
  for (const { blob: { from, descriptor } } of layers) {
    if (!("path" in from)) continue;
    try {
      for await (const header of tarHeaders(from.path)) {
        const path = rootPath(header.name);
        if (header.type === "pax-global-header") continue;
        const { uid: owner = 0, gid: group = 0, mode = 0o755 } = header;
        found.set(
          path,
          header.type === "directory"
            ? { type: "folder", path, mode: mode & 0o7777, owner, group }
            : linkEntry(path, ""),
        );
      }
    } catch (cause) {
      throw unusable(layout, `the layer ${descriptor.digest} can't be unpacked: ${messageOf(cause)}`, cause);
    }
  }
  return [...found.values()];
}

class Layout {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async json(name: string): Promise<unknown> {
    try {
      return jsonValue(utf8Text(await readBytes(pathIn(this.#folder, name), MAX_DOCUMENT_BYTES)));
    } catch (cause) {
      throw unusable(this.#folder, `${name} can't be read: ${(cause as Error).message}`, cause);
    }
  }

  async document(described: Descriptor): Promise<unknown> {
    await this.blob(described);
    return await this.json(pathOf(described));
  }

  /** A blob, held to its digest. */
  async blob({ mediaType, digest, size }: Descriptor): Promise<ImageBlob> {
    const path = pathIn(this.#folder, pathOf({ digest }));
    const found = await digestOf(path, "sha256").catch((cause) => {
      throw unusable(this.#folder, `${digest} can't be read: ${cause.message}`, cause);
    });
    if (`sha256:${found.digest}` !== digest || found.bytes !== size) {
      throw unusable(this.#folder, `${digest} is not whole, or was changed`);
    }
    return { descriptor: { mediaType, digest, size }, from: { path } };
  }

  /** The manifest for a platform; one that names none is taken where it is alone. */
  async find(
    manifests: readonly Descriptor[],
    platform: ImagePlatform,
    depth: number,
  ): Promise<Descriptor | undefined> {
    for (const each of manifests) {
      if (/index|manifest\.list/.test(each.mediaType)) {
        const inner = depth < MAX_DEPTH ? v.safeParse(index, await this.document(each)) : undefined;
        const found = inner?.success === true
          ? await this.find(inner.output.manifests as Descriptor[], platform, depth + 1)
          : undefined;
        if (found !== undefined) return found;
      } else if (
        each.platform === undefined
          ? manifests.length === 1
          : each.platform.os === platform.os && each.platform.architecture === platform.architecture
      ) return each;
    }
    return undefined;
  }
}

function pathOf({ digest }: Pick<Descriptor, "digest">): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function unusable(layout: string, why: string, cause?: unknown): EnvironmentError {
  return new EnvironmentError(`base ${JSON.stringify(layout)}`, `The image can't be stood on: ${why}`, {
    cause,
  });
}
