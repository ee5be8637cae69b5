/**
 * Owns the image of one platform: its configuration and manifest, over layers.
 * Must not know what is in the layers, nor where they are put.
 * Invariant: the same layers and configuration give the same digest.
 */
import { type Descriptor, type ImageBlob, type ImagePlatform, jsonBlob } from "./blob.ts";
import type { ImageLayer } from "./layer.ts";

/** What is run, and as whom. */
export interface ImageRun {
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly folder: string;
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** An image. */
export interface Image {
  /** Of its manifest, with the platform. */
  readonly descriptor: Descriptor;
  /** Everything that it is made of, the manifest last. */
  readonly blobs: readonly ImageBlob[];
}

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Makes an image. @param options `epoch`: when it was made, seconds since 1970. */
export async function imageOf(
  layers: readonly ImageLayer[],
  { platform, run, epoch }: {
    readonly platform: ImagePlatform;
    readonly run: ImageRun;
    readonly epoch: number;
  },
): Promise<Image> {
  const created = new Date(epoch * 1000).toISOString().replace(".000Z", "Z");
  const config = await jsonBlob("application/vnd.oci.image.config.v1+json", {
    created,
    ...platform,
    config: {
      User: run.user,
      Env: run.env,
      Entrypoint: run.entrypoint,
      Cmd: run.command,
      Volumes: Object.fromEntries(run.volumes.map((path) => [path, {}])),
      WorkingDir: run.folder,
      Labels: run.labels,
      StopSignal: "SIGTERM",
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ about }) => ({ created, created_by: `outrider environment build: ${about}` })),
  });
  const manifest = await jsonBlob(MANIFEST, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: config.descriptor,
    layers: layers.map(({ blob }) => blob.descriptor),
    annotations: run.labels,
  });
  return {
    descriptor: { ...manifest.descriptor, platform },
    blobs: [...layers.map(({ blob }) => blob), config, manifest],
  };
}

/** The one document for the images of all platforms. */
export async function imageIndex(
  images: readonly Image[],
  annotations: Readonly<Record<string, string>>,
): Promise<ImageBlob> {
  return await jsonBlob(INDEX, {
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: images.map(({ descriptor }) => descriptor),
    annotations,
  });
}

/** The file by which a folder of images says what it has. */
export function layoutIndex(index: ImageBlob, tag: string): string {
  const annotations = { "org.opencontainers.image.ref.name": tag };
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: [{ ...index.descriptor, annotations }],
  });
}
