/**
 * Owns a registry for a test: a gateway whose blobs lie in a folder of their own, and what is pushed to it.
 * Must not know what is tested.
 */
import { createHash } from "node:crypto";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { SqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { BlobsOptions, RegistryFiles } from "../../src/gateway/registry/blobs.ts";
import { EMPTY, IMAGE } from "../../src/model/oci.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { withFiles } from "../rig.ts";
import { HandClock } from "../uplink/rig.ts";
import { type World, world } from "./rig.ts";

/** SHA-256 as registries write it. */
export function digestOf(content: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/** So many bytes that are the same each time. */
export function bytesOf(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  for (let at = 0, next = 7; at < count; at++) bytes[at] = (next = (next * 1103515245 + 12345) >>> 0) >>> 16;
  return bytes;
}

/** A registry with what it is made of. */
export interface Registry extends World {
  readonly folder: string;
  /** Begins an upload; its path. */
  begin(name?: string): Promise<string>;
  /** Pushes a blob in one piece; its digest. */
  blob(content: Uint8Array<ArrayBuffer> | string, name?: string): Promise<string>;
  /** Pushes a manifest; the answer. */
  manifest(reference: string, manifest: object, name?: string): Promise<Response>;
  /** The same gateway started anew on what it has kept. */
  again(more?: Partial<BlobsOptions>): Registry;
}

/** An artifact's manifest. */
export function artifact(layers: readonly (string | Uint8Array)[], more: object = {}): object {
  const text = (layer: string | Uint8Array) =>
    typeof layer === "string" ? new TextEncoder().encode(layer) : layer;
  return {
    schemaVersion: 2,
    mediaType: IMAGE,
    config: EMPTY,
    layers: layers.map((layer) => ({
      mediaType: "text/plain",
      digest: digestOf(layer),
      size: text(layer).length,
    })),
    ...more,
  };
}

interface Kept {
  readonly store: SqliteGatewayStore;
  readonly clock: HandClock;
  readonly folder: string;
}

function registryOf(
  { store, clock, folder }: Kept,
  options: Partial<BlobsOptions>,
  more: object = {},
): Registry {
  const files: RegistryFiles = runtime;
  const made = world({ store, clock, registry: { files, folder, ...options }, ...more });
  const begin: Registry["begin"] = async (name = "a/b") =>
    (await made.ask(`/v2/${name}/blobs/uploads/`, { method: "POST" })).headers.get("location")!;
  return {
    ...made,
    folder,
    begin,
    async blob(content, name) {
      const digest = digestOf(content);
      const answer = await made.ask(`${await begin(name)}?digest=${digest}`, {
        method: "PUT",
        body: content,
      });
      if (answer.status !== 201) throw new Error(await answer.text());
      return digest;
    },
    manifest: (reference, manifest, name = "a/b") =>
      made.ask(`/v2/${name}/manifests/${reference}`, {
        method: "PUT",
        body: JSON.stringify(manifest),
        headers: { "content-type": (manifest as { mediaType?: string }).mediaType ?? IMAGE },
      }),
    again: (now = {}) => registryOf({ store, clock, folder }, { ...options, ...now }, more),
  };
}

/** Calls a function with a registry, and removes it. */
export function withRegistry<T>(
  use: (registry: Registry) => Promise<T>,
  { more, ...options }: Partial<BlobsOptions> & { readonly more?: object } = {},
): Promise<T> {
  return withFiles({}, async (folder) => {
    const store = sqliteGatewayStore(":memory:");
    try {
      return await use(registryOf({ store, clock: new HandClock(), folder: `${folder}/r` }, options, more));
    } finally {
      store.close();
    }
  });
}

/** The codes of a refusal in the form of the specification. */
export async function codesOf(answer: Response): Promise<string> {
  const { errors } = await answer.json() as { readonly errors: readonly { code: string; message: string }[] };
  return [answer.status, ...errors.map(({ code }) => code)].join(" ");
}

/** A body that brings some bytes and is then broken off, or goes on when told. */
export function brokenBody(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  let sent = false;
  return new ReadableStream({
    pull(controller) {
      if (sent) return controller.error(new Error("The line is cut"));
      sent = true;
      controller.enqueue(bytes);
    },
  }, { highWaterMark: 0 });
}
