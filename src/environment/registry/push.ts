/**
 * Owns sending to a registry: blobs that go on where the line was cut, and manifests.
 * Must not know where bytes come from.
 * Invariant: what is there already is not sent; a manifest is sent when all that it refers to is there.
 */
import { type Bytes, sha256 } from "../../base/bytes.ts";
import { INDEX, type OciDescriptor, readManifest } from "../../model/oci.ts";
import { RegistryError } from "./error.ts";
import type { RegistryCall, RegistryLine } from "./line.ts";
import { fallbackTag, manifestOf, Patience, tried } from "./pull.ts";

/** Bytes of a piece, where the registry does not ask for larger ones. */
const PIECE_BYTES = 4 * 1024 * 1024;
const MAX_PIECE_BYTES = 64 * 1024 * 1024;

/** A blob to be sent. */
export interface Sendable extends Pick<OciDescriptor, "digest" | "size"> {
  read(at: number, most: number): Promise<Bytes>;
}

/** Sends a blob, unless it is there. @returns Whether it was sent. */
export async function sendBlob(
  line: RegistryLine,
  repository: string,
  { blob, sent = () => {} }: {
    readonly blob: Sendable;
    /** Told of bytes that have arrived. */
    readonly sent?: (bytes: number) => void;
  },
): Promise<boolean> {
  if (await hasBlob(line, repository, blob.digest)) return false;
  const patience = new Patience(line);
  const upload = new Sending(line, repository, blob);
  for (;;) {
    try {
      const came = await upload.step();
      if (came === undefined) return true;
      patience.came(came);
      sent(came);
    } catch (error) {
      await patience.after(error);
      upload.lost();
    }
  }
}

async function hasBlob(line: RegistryLine, repository: string, digest: string): Promise<boolean> {
  return await tried(line, async () => {
    const call = {
      method: "HEAD",
      path: `/v2/${repository}/blobs/${digest}`,
      scope: pushOf(repository),
    } as const;
    const { status, ...response } = await line.ask(call).then((found) => ({ status: found.status, found }));
    if (status === 200) return true;
    if (status === 404) return false;
    throw await line.refused(call, response.found);
  });
}

/** An upload under way, step by step. */
class Sending {
  readonly #line: RegistryLine;
  readonly #repository: string;
  readonly #blob: Sendable;
  #location: string | undefined;
  #pieceBytes = PIECE_BYTES;
  #at = 0;
  /** It is not known how much has arrived. */
  #unsure = false;

  constructor(line: RegistryLine, repository: string, blob: Sendable) {
    this.#line = line;
    this.#repository = repository;
    this.#blob = blob;
  }

  /** The line broke: how much has arrived is asked for before anything else is sent. */
  lost(): void {
    this.#unsure = true;
  }

  /** Does the next thing. @returns How many bytes have arrived; nothing when the blob is there. */
  async step(): Promise<number | undefined> {
    if (this.#unsure && this.#location !== undefined) return await this.#askHowMuch();
    if (this.#location === undefined) await this.#begin();
    const { size } = this.#blob;
    const most = Math.min(this.#pieceBytes, size - this.#at);
    const piece = await this.#blob.read(this.#at, most);
    if (piece.length < most) throw new RegistryError(`The file of ${this.#blob.digest} has become shorter`);
    // What is sent in one piece is sent in one request.
    if (this.#at === 0 && piece.length === size) return await this.#end(piece);
    return this.#at === size ? await this.#end() : await this.#send(piece);
  }

  async #begin(): Promise<void> {
    const call = this.#call("POST", `/v2/${this.#repository}/blobs/uploads/`);
    const response = await this.#line.ask(call);
    if (response.status !== 202) throw await this.#line.refused(call, response);
    this.#at = 0;
    this.#unsure = false;
    this.#locate(call, response);
    const least = Number(response.headers.get("oci-chunk-min-length") ?? 0);
    this.#pieceBytes = Math.min(Math.max(PIECE_BYTES, least || 0), MAX_PIECE_BYTES);
  }

  async #send(piece: Bytes): Promise<number> {
    const range = `${this.#at}-${this.#at + piece.length - 1}`;
    const call = this.#call("PATCH", this.#location!, piece, { "content-range": range });
    const response = await this.#line.ask(call);
    if (response.status === 416) return this.#mark(response);
    if (response.status !== 202) throw await this.#refused(call, response);
    this.#locate(call, response);
    this.#at += piece.length;
    return piece.length;
  }

  async #end(piece?: Bytes): Promise<undefined> {
    const { digest } = this.#blob;
    const url = new URL(this.#location!, `${this.#line.url}/`);
    url.searchParams.set("digest", digest);
    const call = this.#call("PUT", url.href, piece);
    const response = await this.#line.ask(call);
    if (response.status === 201) return void response.body?.cancel();
    throw await this.#refused(call, response);
  }

  async #askHowMuch(): Promise<number | undefined> {
    // The last request may have arrived, and only its answer been lost.
    if (await hasBlob(this.#line, this.#repository, this.#blob.digest)) return undefined;
    const call = this.#call("GET", this.#location!);
    const response = await this.#line.ask(call);
    if (response.status !== 204) throw await this.#refused(call, response);
    this.#locate(call, response);
    return this.#mark(response);
  }

  /** Goes on behind what the registry says that it has. */
  #mark({ headers }: Response): number {
    const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(headers.get("range") ?? "")?.[1];
    const before = this.#at;
    // What has one byte and what has none say the same: then it begins anew.
    this.#at = last === undefined || last === "0" ? 0 : Number(last) + 1;
    if (this.#at > this.#blob.size) this.#at = 0;
    if (this.#at === 0 && before > 0) this.#location = undefined;
    this.#unsure = false;
    return Math.max(0, this.#at - before);
  }

  async #refused(call: RegistryCall, response: Response): Promise<RegistryError> {
    const error = await this.#line.refused(call, response);
    if (response.status !== 404) return error;
    // An upload that is over begins anew.
    this.#location = undefined;
    return new RegistryError(error.message, { status: response.status, transient: true });
  }

  /** Where it goes on. An address of another origin gets no token. */
  #locate(call: RegistryCall, { headers, body }: Response): void {
    body?.cancel().catch(() => {});
    const found = URL.parse(headers.get("location") ?? "", `${this.#line.url}/`);
    if (found !== null && /^https?:$/.test(found.protocol)) this.#location = found.href;
    else throw new RegistryError(`${this.#line.name(call)} does not say where the upload goes on`);
  }

  #call(
    method: RegistryCall["method"],
    path: string,
    body?: Bytes,
    headers: Readonly<Record<string, string>> = {},
  ): RegistryCall {
    const type = body === undefined ? {} : { "content-type": "application/octet-stream" };
    return { method, path, headers: { ...type, ...headers }, body, scope: pushOf(this.#repository) };
  }
}

/** Sends a manifest. @param reference A tag; by its digest if there is none. @returns What describes it. */
export async function sendManifest(
  line: RegistryLine,
  repository: string,
  { bytes, type, tag }: { readonly bytes: Bytes; readonly type: string; readonly tag?: string | undefined },
): Promise<OciDescriptor> {
  const digest = `sha256:${await sha256(bytes)}`;
  const manifest = readManifest(bytes, type);
  const call: RegistryCall = {
    method: "PUT",
    path: `/v2/${repository}/manifests/${tag ?? digest}`,
    headers: { "content-type": type },
    body: bytes,
    scope: pushOf(repository),
  };
  const listed = await tried(line, async () => {
    const response = await line.ask(call);
    if (response.status !== 201) throw await line.refused(call, response);
    response.body?.cancel().catch(() => {});
    return response.headers.has("oci-subject");
  });
  const { artifactType, annotations, subject } = manifest;
  const described: OciDescriptor = {
    mediaType: type,
    digest,
    size: bytes.length,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
  if (subject !== undefined && !listed) {
    await listReferrer(line, repository, { subject: subject.digest, described });
  }
  return described;
}

/** A registry that keeps no list of referrers has it as an index under a tag, which two at a time would spoil for each other. */
async function listReferrer(
  line: RegistryLine,
  repository: string,
  { subject, described }: { readonly subject: string; readonly described: OciDescriptor },
): Promise<void> {
  const tag = fallbackTag(subject);
  const there = (await manifestOf(line, repository, tag))?.manifest.manifests ?? [];
  if (there.some(({ digest }) => digest === described.digest)) return;
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: [...there, described] };
  await sendManifest(line, repository, {
    bytes: new TextEncoder().encode(JSON.stringify(index)),
    type: INDEX,
    tag,
  });
}

function pushOf(repository: string): string {
  return `repository:${repository}:pull,push`;
}
