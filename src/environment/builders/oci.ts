/**
 * Owns the image for Docker, Podman, Kubernetes and containerd: one index for all platforms, as an image layout on disk.
 * Must not know how a layer is packed, nor what lies in a root.
 * Invariant: where only the pipeline changes, only the last layer does; nothing in it needs a capability or runs as root.
 */
import { pathIn } from "../../runtime/disk.ts";
import { EnvironmentError } from "../document/error.ts";
import type { Target } from "../document/schema.ts";
import { readBase } from "../oci/base.ts";
import type { ImageBlob, ImagePlatform } from "../oci/blob.ts";
import { type Image, imageIndex, imageOf, type ImageRun, layoutIndex } from "../oci/image.ts";
import { type ImageLayer, imageLayer } from "../oci/layer.ts";
import { PROGRAM, PROGRAM_ENV, rootParts, SYSTEM_ENV } from "../root/parts.ts";
import { STATE_FOLDER, USER_ID } from "../root/system.ts";
import type { Builder, BuildInput, BuildOutput } from "./builder.ts";

const PLATFORMS: Partial<Readonly<Record<Target, ImagePlatform>>> = {
  "linux-x64": { architecture: "amd64", os: "linux" },
  "linux-arm64": { architecture: "arm64", os: "linux", variant: "v8" },
};

/** An image layout, `NAME.oci`. */
export const ociBuilder: Builder = {
  kind: "oci",
  async build(input, out) {
    const { environment, targets } = input;
    const images: Image[] = [];
    for (const target of targets) images.push(await imageFor(target, input, out));
    const index = await imageIndex(images, labelsOf(input));
    const folder = `${environment.name}.oci`;
    for (const blob of distinct([...images.flatMap(({ blobs }) => blobs), index])) {
      await out.file(`${folder}/blobs/${blob.descriptor.digest.replace(":", "/")}`, blob.from);
    }
    await out.file(`${folder}/oci-layout`, { text: JSON.stringify({ imageLayoutVersion: "1.0.0" }) });
    const text = layoutIndex(index, environment.version ?? "latest");
    await out.file(`${folder}/index.json`, { text }, { digest: index.descriptor.digest });
  },
};

async function imageFor(target: Target, input: BuildInput, out: BuildOutput): Promise<Image> {
  const platform = PLATFORMS[target];
  if (platform === undefined) {
    throw new EnvironmentError(
      "targets",
      `There are images for ${Object.keys(PLATFORMS).join(" and ")}, and not for ${target}`,
    );
  }
  const { epoch, cache } = input;
  const base = input.environment.base &&
    await readBase(pathIn(input.folder, input.environment.base), platform);
  const layers: ImageLayer[] = base ? [...base.layers] : [];
  const parts = await rootParts(input, target, { out, ...(base && { below: base.entries }) });
  for (const [at, { about, entries }] of parts.entries()) {
    input.progress(`Image for ${target}: ${about}`, at, parts.length);
    layers.push(await imageLayer(about, entries, { epoch, cache }));
  }
  return await imageOf(layers, { platform, run: runOf(input, base ? base.env : SYSTEM_ENV), epoch });
}

function runOf(input: BuildInput, below: readonly string[]): ImageRun {
  return {
    user: `${USER_ID}:${USER_ID}`,
    entrypoint: [PROGRAM],
    command: [],
    env: [
      ...below.filter((each) => !PROGRAM_ENV.some((own) => nameOf(own) === nameOf(each))),
      ...PROGRAM_ENV,
    ],
    folder: STATE_FOLDER,
    volumes: [STATE_FOLDER],
    labels: labelsOf(input),
  };
}

function nameOf(variable: string): string {
  return variable.replace(/=.*$/s, "");
}

function labelsOf({ environment: { name, version } }: BuildInput): Record<string, string> {
  return {
    "org.opencontainers.image.title": name,
    ...(version !== undefined && { "org.opencontainers.image.version": version }),
  };
}

/** Two platforms may have layers in common. */
function distinct(blobs: readonly ImageBlob[]): ImageBlob[] {
  return [...new Map(blobs.map((blob) => [blob.descriptor.digest, blob])).values()];
}
