/**
 * Owns the routes of manifests and of lists: tags, repositories, what refers to a manifest.
 * Must not know where blobs are.
 * Invariant: a manifest is taken only if all that it refers to is here.
 */
import { sha256 } from "../../base/bytes.ts";
import { Refuse } from "../../base/web/refuse.ts";
import { type Route, route, TEXT } from "../../base/web/route.ts";
import {
  INDEX,
  ManifestError,
  MANIFESTS,
  MAX_MANIFEST_BYTES,
  type OciDescriptor,
  type OciManifest,
  readManifest,
} from "../../model/oci.ts";
import { isKnown, json } from "../answer.ts";
import type { GatewayParts } from "../context.ts";
import type { Blobs } from "./blobs.ts";
import type { Catalog, ReferrerRow } from "./catalog.ts";
import { DIGEST_OF, HOW_MANY, immutable, LAST, listed, REFERENCE, REPOSITORY, ROOT } from "./said.ts";

const ANY_JSON = { "application/json": {} } as const;
const MANIFEST = {
  path: "/v2/{name}/manifests/{reference}",
  params: { ...REPOSITORY, reference: REFERENCE },
} as const;
const DESCRIBED = Object.fromEntries(MANIFESTS.map((type) => [type, {}]));
const LIST = { method: "get", access: "either", query: { n: HOW_MANY, last: LAST } } as const;
/** Referrers of a page, each with its annotations: a page is no larger than a manifest may be. */
const MAX_REFERRERS = 100;
const MAX_ANNOTATIONS = 32 * 1024;

/** The routes. */
export function manifestRoutes(parts: GatewayParts, blobs: () => Blobs): Route[] {
  const { store: { catalog } } = parts;
  return [
    route({
      method: "get",
      path: ROOT,
      access: "either",
      summary: "Says that this is a registry, and who asks may use it",
      answers: { 200: { what: "It is", bodies: ANY_JSON } },
      handle: () => {
        const answer = json({});
        answer.headers.set("docker-distribution-api-version", "registry/2.0");
        return answer;
      },
    }),
    route({
      ...MANIFEST,
      method: "get",
      access: "either",
      summary: "A manifest, by tag or digest; HEAD tells its digest and size",
      headers: { "if-none-match": "The ETag" },
      answers: {
        200: { what: "The manifest, as it was pushed", bodies: DESCRIBED },
        304: { what: "Known already" },
      },
      handle: ({ request, params }) => manifestOf(request, params, catalog),
    }),
    route({
      ...MANIFEST,
      method: "put",
      access: "user",
      body: { required: true, types: DESCRIBED, maxBytes: MAX_MANIFEST_BYTES },
      summary: "Keeps a manifest, all of whose blobs and manifests are here, and gives it the tag",
      answers: { 201: { what: "It is kept" }, 400: { what: "It is none, or something is missing" } },
      handle: ({ request, params }) => keep(request, params, { parts, blobs: blobs() }),
    }),
    route({
      ...MANIFEST,
      method: "delete",
      access: "user",
      summary: "Takes away a tag, or by its digest a manifest with all its tags",
      answers: { 202: { what: "It is away" } },
      handle: async ({ params: { name, reference } }) => {
        const gone = reference.includes(":")
          ? await catalog.dropManifest(name, reference)
          : await catalog.dropTag(name, reference);
        if (!gone) throw await noManifest(name, reference, catalog);
        return new Response(null, { status: 202 });
      },
    }),
    ...listRoutes(catalog),
  ];
}

function listRoutes(catalog: Catalog): Route[] {
  return [
    route({
      ...LIST,
      path: "/v2/_catalog",
      summary: "Lists repositories by name",
      answers: { 200: { what: "Names of repositories; where there are more, Link", bodies: ANY_JSON } },
      handle: ({ query: { n, last } }) =>
        listed<string>("/v2/_catalog", { n }, {
          read: (limit) => catalog.repositories({ last, limit }),
          nameOf: (name) => name,
          body: (repositories) => ({ repositories }),
        }),
    }),
    route({
      ...LIST,
      path: "/v2/{name}/tags/list",
      params: REPOSITORY,
      summary: "Lists the tags of a repository by name",
      answers: { 200: { what: "Tags; where there are more, Link", bodies: ANY_JSON } },
      handle: async ({ params: { name }, query: { n, last } }) => {
        if (!await catalog.hasRepository(name)) throw noRepository(name);
        return listed<string>(`/v2/${name}/tags/list`, { n }, {
          read: (limit) => catalog.tags(name, { last, limit }),
          nameOf: (tag) => tag,
          body: (tags) => ({ name, tags }),
        });
      },
    }),
    route({
      method: "get",
      access: "either",
      path: "/v2/{name}/referrers/{digest}",
      params: { ...REPOSITORY, digest: DIGEST_OF },
      query: {
        artifactType: { description: "Only those of this type", schema: TEXT, read: ([text]) => text },
        last: LAST,
      },
      summary: "Lists what refers to a manifest: signatures, lists of what is in it, where it is from",
      answers: { 200: { what: "An index; where there is more, Link", bodies: { [INDEX]: {} } } },
      handle: ({ params: { name, digest }, query: { artifactType: type, last } }) =>
        listed<ReferrerRow>(`/v2/${name}/referrers/${digest}`, {
          n: MAX_REFERRERS,
          query: type === undefined ? {} : { artifactType: type },
        }, {
          read: (limit) => catalog.referrers(name, digest, { type, last, limit }),
          nameOf: (row) => row.digest,
          body: (rows) => ({ schemaVersion: 2, mediaType: INDEX, manifests: rows.map(descriptorOf) }),
          headers: {
            "content-type": INDEX,
            ...(type !== undefined && { "oci-filters-applied": "artifactType" }),
          },
        }),
    }),
  ];
}

interface Named {
  readonly name: string;
  readonly reference: string;
}

async function manifestOf(
  request: Request,
  { name, reference }: Named,
  catalog: Catalog,
): Promise<Response> {
  const found = await catalog.manifest(name, reference);
  if (!found) throw await noManifest(name, reference, catalog);
  const { digest, type, bytes } = found;
  const head = immutable(digest);
  const headers = {
    ...head,
    // What a tag names may be another tomorrow.
    ...(reference !== digest && { "cache-control": "private, no-cache" }),
    "content-type": type,
    "content-length": String(bytes.length),
  };
  if (isKnown(request, head.etag)) return new Response(null, { status: 304, headers: head });
  return new Response(request.method === "HEAD" ? null : bytes, { headers });
}

async function keep(
  request: Request,
  { name, reference }: Named,
  { parts: { intake, store }, blobs }: { readonly parts: GatewayParts; readonly blobs: Blobs },
): Promise<Response> {
  const bytes = await intake.bytes(request, MAX_MANIFEST_BYTES);
  const digest = `sha256:${await sha256(bytes)}`;
  const tag = reference.includes(":") ? undefined : reference;
  if (tag === undefined && reference !== digest) {
    throw new Refuse(400, "DIGEST_INVALID", {
      message: `The manifest has the digest ${digest}, and not ${reference}: send it as it is`,
    });
  }
  const type = (request.headers.get("content-type") ?? "").split(";")[0]!.trim();
  const manifest = checkedManifest(bytes, type);
  await blobs.requireRoom(bytes.length);
  await store.atomically(async ({ catalog }) => {
    await requireAll(name, manifest, catalog);
    await catalog.putManifest({ repository: name, digest, type, bytes, tag, manifest });
  });
  const headers = {
    location: `/v2/${name}/manifests/${digest}`,
    "docker-content-digest": digest,
    ...(manifest.subject && { "oci-subject": manifest.subject.digest }),
  };
  return new Response(null, { status: 201, headers });
}

function checkedManifest(bytes: Uint8Array, type: string): OciManifest {
  try {
    const manifest = readManifest(bytes, type);
    const { subject, annotations = {} } = manifest;
    const length = new TextEncoder().encode(JSON.stringify(annotations)).length;
    if (subject === undefined || length <= MAX_ANNOTATIONS) return manifest;
    throw new ManifestError(
      `annotations of what has a subject have ${length} bytes, more than ${MAX_ANNOTATIONS}`,
    );
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    throw new Refuse(400, "MANIFEST_INVALID", { message: `This is no manifest: ${error.message}` });
  }
}

/** @throws {Refuse} If something that a manifest refers to is not here. */
async function requireAll(
  name: string,
  { config, layers, manifests }: OciManifest,
  catalog: Catalog,
): Promise<void> {
  const blob = await firstOf(
    [...(config ? [config] : []), ...layers],
    async ({ digest, size, urls }) => urls === undefined && await catalog.blobSize(digest) !== size,
  );
  const inner = await firstOf(
    manifests,
    async ({ digest, size }) => (await catalog.manifest(name, digest))?.bytes.length !== size,
  );
  const lacking = blob ?? inner;
  if (lacking === undefined) return;
  throw new Refuse(400, blob ? "MANIFEST_BLOB_UNKNOWN" : "MANIFEST_UNKNOWN", {
    message:
      `The manifest refers to ${lacking.digest} of ${lacking.size} bytes, which is not here: push it first`,
  });
}

async function firstOf(
  all: readonly OciDescriptor[],
  holds: (each: OciDescriptor) => Promise<boolean>,
): Promise<OciDescriptor | undefined> {
  for (const each of all) if (await holds(each)) return each;
  return undefined;
}

function descriptorOf({ digest, type, size, artifactType, annotations }: ReferrerRow): OciDescriptor {
  return {
    mediaType: type,
    digest,
    size,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}

async function noManifest(name: string, reference: string, catalog: Catalog): Promise<Refuse> {
  if (!await catalog.hasRepository(name)) return noRepository(name);
  return new Refuse(404, "MANIFEST_UNKNOWN", {
    message: `Repository ${name} has no ${reference}: GET /v2/${name}/tags/list tells what it has`,
  });
}

function noRepository(name: string): Refuse {
  return new Refuse(404, "NAME_UNKNOWN", {
    message: `There is no repository ${name}: nothing was pushed there`,
  });
}
