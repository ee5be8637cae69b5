/**
 * Owns a line to a registry whose every answer the test may spoil, and what was built, in a folder.
 * Must not know what is tested.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { RegistryLine, type RegistryLineOptions } from "../../src/environment/registry/line.ts";
import { MADE_FILE, type MadeFile, type MadeRecord, madeText } from "../../src/environment/made.ts";
import { IMAGE, INDEX } from "../../src/model/oci.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import type { Delivery } from "../../src/environment/registry/deliver.ts";
import type { Registry } from "../gateway/registry_rig.ts";
import { bytesOf, digestOf } from "../gateway/registry_rig.ts";
import { HandClock } from "../uplink/rig.ts";

/** What stands between a client and the registry: it sees the request, and makes the answer of the registry's. */
export type Between = (request: Request, answer: () => Promise<Response>) => Promise<Response> | Response;

/** A clock whose timers fire at once, but for those that wait for an answer. */
export class HastyClock extends HandClock {
  override readonly after = (ms: number, fn: () => void): () => void => {
    if (ms >= 20_000) return () => {};
    const timer = setTimeout(fn, 0);
    return () => clearTimeout(timer);
  };
}

/** A line to a registry in this process. */
export function lineTo(
  registry: Pick<Registry, "app">,
  { between = (_, answer) => answer(), url = "http://127.0.0.1:9", ...more }:
    & Partial<RegistryLineOptions>
    & { readonly between?: Between } = {},
): RegistryLine {
  return new RegistryLine({
    url,
    fetch: async (address, init) => {
      const request = new Request(address, init);
      // Whatever it is asked as, it is this machine's.
      const { pathname, search } = new URL(address);
      const here = `http://127.0.0.1:9${pathname}${search}`;
      return await between(request.clone() as Request, async () => await registry.app.request(here, init));
    },
    clock: new HastyClock(),
    random: () => 0.5,
    ...more,
  });
}

/** How to deliver between a folder and a registry. */
export function delivery(line: RegistryLine, folder: string): Delivery {
  return { line, repository: "probe", folder, files: runtime, progress: () => {} };
}

/** The bytes of an answer as they come, up to a place where the line is cut. */
export function cutAfter(answer: Response, bytes: number): Response {
  const reader = answer.body!.getReader();
  let left = bytes;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      if (value.length >= left) {
        if (left > 0) controller.enqueue(value.subarray(0, left));
        await reader.cancel();
        left = 0;
        return controller.error(new Error("The line is cut"));
      }
      left -= value.length;
      controller.enqueue(value);
    },
  }, { highWaterMark: 0 });
  return new Response(body, answer);
}

/** What is read of a stream, told of. */
export function counted(
  body: ReadableStream<Uint8Array>,
  tell: (bytes: number) => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      tell(value.length);
      controller.enqueue(value);
    },
    cancel: (why) => reader.cancel(why),
  }, { highWaterMark: 0 });
}

/** Writes what could have been built: an executable for two targets, a script, and an image for two platforms. */
export function buildInto(folder: string, size = 300_000): MadeRecord {
  const files: MadeFile[] = [];
  const put = (
    name: string,
    content: Uint8Array | string,
    about: Pick<MadeFile, "kind" | "target" | "mode">,
  ) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    files.push({ name, bytes: bytes.length, sha256: digestOf(content).slice(7), ...about });
  };
  put("probe-linux-x64", bytesOf(size), { kind: "executable", target: "linux-x64", mode: "0755" });
  put("probe-linux-arm64", bytesOf(size + 1), { kind: "executable", target: "linux-arm64", mode: "0755" });
  put("probe-install.sh", "#!/bin/sh\n", { kind: "script", mode: "0755" });
  const blob = (content: string | Uint8Array, mediaType: string) => {
    const digest = digestOf(content);
    put(`probe.oci/blobs/sha256/${digest.slice(7)}`, content, { kind: "oci" });
    return { mediaType, digest, size: typeof content === "string" ? content.length : content.length };
  };
  const image = (architecture: string) => {
    const platform = { os: "linux", architecture };
    const config = blob(JSON.stringify(platform), "application/vnd.oci.image.config.v1+json");
    const layer = blob(`layer for ${architecture}`, "application/vnd.oci.image.layer.v1.tar");
    const made = { schemaVersion: 2, mediaType: IMAGE, config, layers: [layer] };
    return { ...blob(JSON.stringify(made), IMAGE), platform };
  };
  const manifests = ["amd64", "arm64"].map(image);
  const inner = blob(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }), INDEX);
  put("probe.oci/index.json", JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [inner] }), {
    kind: "oci",
  });
  put("probe.oci/oci-layout", '{"imageLayoutVersion":"1.0.0"}', { kind: "oci" });
  files.sort((a, b) => a.name < b.name ? -1 : 1);
  const record: MadeRecord = {
    outriderMade: 1,
    name: "probe",
    version: "1.2.0",
    outrider: "0",
    kinds: ["executable", "script", "oci"],
    files,
    used: [],
  };
  writeFileSync(join(folder, MADE_FILE), madeText(record));
  writeFileSync(join(folder, `${MADE_FILE}.minisig`), "untrusted comment: x\n");
  writeFileSync(join(folder, "probe.cdx.json"), "{}");
  return record;
}
