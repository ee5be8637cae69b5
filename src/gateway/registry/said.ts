/**
 * Owns how a registry says things: refusals in the form of the OCI distribution specification, headers that its answers
 * share, and what its paths and queries may say.
 * Must not know any route.
 */
import { Refuse } from "../../base/web/refuse.ts";
import { type Parameter, TEXT } from "../../base/web/route.ts";
import { DIGEST, isRepository, TAG } from "../../model/oci.ts";
import { json } from "../answer.ts";

/** Where the registry is. */
export const ROOT = "/v2/";
/** How who has not said who it is can do so: with any user and a token as the password. */
export const CHALLENGE = 'Basic realm="outrider"';

/** Words of the specification for refusals that all of the gateway shares. */
const CODES: Readonly<Record<string, string>> = {
  TOKEN: "UNAUTHORIZED",
  TOKEN_KIND: "DENIED",
  NO_ROUTE: "UNSUPPORTED",
  BUSY: "TOOMANYREQUESTS",
  TOO_LARGE: "SIZE_INVALID",
  BODY: "BLOB_UPLOAD_INVALID",
};

/** The body of a refusal in the form of the specification, which `docker` and the like show to people. */
export function registryErrorBody(code: string, message: string): string {
  return JSON.stringify({ errors: [{ code: CODES[code] ?? code, message }] });
}

/** Name of a repository, which may have slashes. */
export const REPOSITORY = {
  name: {
    description: "Repository: words of a-z 0-9 . _ - with slashes between them",
    schema: TEXT,
    slashes: true,
    read: ([text]) => {
      if (isRepository(text)) return text;
      throw new Refuse(400, "NAME_INVALID", {
        message: `A repository can't be called ${
          JSON.stringify(text.slice(0, 100))
        }: write a-z 0-9 . _ - and /`,
      });
    },
  },
} as const satisfies Readonly<Record<string, Parameter<string>>>;

/** A digest. */
export const DIGEST_OF: Parameter<string> = {
  description: "sha256: and 64 hexadecimal digits",
  schema: TEXT,
  read: ([text]) => {
    if (DIGEST.test(text)) return text;
    throw noDigest(text);
  },
};

/** What is said where a digest should stand. */
export function noDigest(text: string = ""): Refuse {
  return new Refuse(400, "DIGEST_INVALID", {
    message: `A digest is sha256: and 64 hexadecimal digits, and not ${JSON.stringify(text.slice(0, 100))}`,
  });
}

/** What a manifest is asked for by. */
export const REFERENCE: Parameter<string> = {
  description: "A tag, or a digest",
  schema: TEXT,
  read: ([text], name) => {
    if (text.includes(":")) return DIGEST_OF.read([text], name);
    if (TAG.test(text)) return text;
    throw new Refuse(400, "TAG_INVALID", {
      message: `A tag can't be ${JSON.stringify(text.slice(0, 100))}: write up to 128 of A-Z a-z 0-9 . _ -`,
    });
  },
};

/** A name after which a list goes on. */
export const LAST: Parameter<string> = {
  description: "Only what comes after it",
  schema: TEXT,
  read: ([text]) => text.slice(0, 255),
};

const MAX_LISTED = 1000;

/** How many of a list. */
export const HOW_MANY: Parameter<number> = {
  description: `How many, at most ${MAX_LISTED}`,
  schema: TEXT,
  read: ([text]) => {
    if (/^\d{1,9}$/.test(text)) return Math.min(Number(text), MAX_LISTED);
    throw new Refuse(400, "PAGINATION_NUMBER_INVALID", {
      message: `The query has n=${text.slice(0, 50)}: write a whole number from 0`,
    });
  },
};

/** A page of a list, and where the next one is. */
export async function listed<T>(
  path: string,
  { n = MAX_LISTED, query = {} }: {
    readonly n?: number | undefined;
    readonly query?: Readonly<Record<string, string>>;
  },
  { read, nameOf, body, headers = {} }: {
    readonly read: (limit: number) => Promise<readonly T[]>;
    readonly nameOf: (item: T) => string;
    readonly body: (items: readonly T[]) => unknown;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<Response> {
  const found = await read(n + 1);
  const items = found.slice(0, n);
  const answer = json(body(items));
  const last = items.at(-1);
  for (const [name, value] of Object.entries(headers)) answer.headers.set(name, value);
  if (found.length > n && last !== undefined) {
    const next = new URLSearchParams({ ...query, n: String(n), last: nameOf(last) });
    answer.headers.set("link", `<${path}?${next}>; rel="next"`);
  }
  return answer;
}

/** Headers of content that never changes, since it is asked for by its digest. */
export function immutable(
  digest: string,
): Record<"docker-content-digest" | "etag" | "cache-control", string> {
  return {
    "docker-content-digest": digest,
    etag: `"${digest}"`,
    "cache-control": "private, max-age=31536000, immutable",
  };
}
