/**
 * Owns a small Debian for tests: packages, signed lists and a mirror on this machine's loopback.
 * Must not know what is tested.
 * Invariant: nothing leaves the machine, and each mirror is closed by who opened it.
 */
import { gzipSync } from "fflate";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { packTar } from "modern-tar";
import { SUITE } from "../../src/environment/debian/keys.ts";

type TarHeader = Parameters<typeof packTar>[0][number]["header"];

/** An entry of a package: a text, or bytes, are a file. */
export type FakeEntry = string | Uint8Array | Partial<TarHeader>;

/** A package of the small Debian. */
export interface FakePackage {
  readonly name: string;
  readonly version?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, FakeEntry>>;
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** An `ar` archive. */
export function arOf(members: Readonly<Record<string, Uint8Array>>): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [new TextEncoder().encode("!<arch>\n")];
  for (const [name, bytes] of Object.entries(members)) {
    const head = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}`;
    parts.push(new TextEncoder().encode(`${head}${String(bytes.length).padEnd(10)}\`\n`), bytes);
    if (bytes.length % 2 === 1) parts.push(new Uint8Array([10]));
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** A `.deb`. */
export async function debOf(files: Readonly<Record<string, FakeEntry>>): Promise<Uint8Array<ArrayBuffer>> {
  const data = await packTar(
    Object.entries(files).map(([name, entry]) => {
      const body = typeof entry === "string"
        ? new TextEncoder().encode(entry)
        : entry instanceof Uint8Array
        ? entry
        : undefined;
      const size = body?.length ?? 0;
      const given = body === undefined ? entry as Partial<TarHeader> : {};
      return { header: { name, size, mtime: new Date(0), ...given }, ...(body !== undefined && { body }) };
    }),
  );
  return arOf({
    "debian-binary": new TextEncoder().encode("2.0\n"),
    "control.tar.gz": gzipSync(await packTar([]), { mtime: 0 }),
    "data.tar.gz": gzipSync(data, { mtime: 0 }),
  });
}

/** Signs in the clear, as Debian does. */
export class Signer {
  readonly #pair: CryptoKeyPair;
  /** Its key, in OpenPGP's form. */
  readonly key: Uint8Array;

  private constructor(pair: CryptoKeyPair, key: Uint8Array) {
    this.#pair = pair;
    this.key = key;
  }

  static async make(): Promise<Signer> {
    const pair = await crypto.subtle.generateKey(
      {
        name: "RSASSA-PKCS1-v1_5",
        hash: "SHA-256",
        modulusLength: 2048,
        publicExponent: new Uint8Array([1, 0, 1]),
      },
      true,
      ["sign", "verify"],
    );
    const { n, e } = await crypto.subtle.exportKey("jwk", pair.publicKey);
    const [modulus, exponent] = [n!, e!].map((text) => mpi(Buffer.from(text, "base64url")));
    return new Signer(pair, Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 1]), modulus!, exponent!]));
  }

  async sign(text: string): Promise<string> {
    const head = Buffer.from([4, 1, 1, 8, 0, 6, 5, 2, 0, 0, 0, 0]);
    const canonical = Buffer.from(text.replace(/[ \t]+$/gm, "").replaceAll("\n", "\r\n"));
    const trailer = Buffer.from([4, 0xff, 0, 0, 0, head.length]);
    const signed = Buffer.concat([canonical, head, trailer]);
    const value = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", this.#pair.privateKey, signed);
    const body = Buffer.concat([head, Buffer.from([0, 0, 0, 0]), mpi(new Uint8Array(value))]);
    const packet = Buffer.concat([
      Buffer.from([0xc2, 0xff, 0, 0, body.length >> 8, body.length & 255]),
      body,
    ]);
    const armour = packet.toString("base64").replace(/.{64}/g, "$&\n");
    return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${
      text.replace(/^-/gm, "- -")
    }\n-----BEGIN PGP SIGNATURE-----\n\n${armour}\n=AAAA\n-----END PGP SIGNATURE-----\n`;
  }
}

function mpi(bytes: Uint8Array): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0);
  const value = bytes.subarray(start);
  const bits = value.length * 8 - Math.clz32(value[0]!) + 24;
  return Buffer.concat([Buffer.from([bits >> 8, bits & 255]), value]);
}

/** Files of a mirror: those of the release, and of an empty one for security. */
export async function mirrorFiles(
  signer: Signer,
  packages: readonly FakePackage[],
  architectures: readonly string[] = ["amd64", "arm64"],
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const paragraphs: string[] = [];
  for (const { name, version = "1.0-1", fields = {}, files: inside = {} } of packages) {
    const deb = await debOf(inside);
    const path = `pool/main/${name[0]}/${name}/${name}_${version}_all.deb`;
    files.set(`/debian/${path}`, deb);
    const all = {
      Package: name,
      Version: version,
      Architecture: "all",
      ...fields,
      Filename: path,
      Size: deb.length,
      SHA256: sha256Of(deb),
    };
    paragraphs.push(Object.entries(all).map(([key, value]) => `${key}: ${value}\n`).join(""));
  }
  await addSuite(files, {
    signer,
    place: "/debian",
    suite: SUITE,
    architectures,
    text: paragraphs.join("\n"),
  });
  await addSuite(files, {
    signer,
    place: "/debian-security",
    suite: `${SUITE}-security`,
    architectures,
    text: "",
  });
  return files;
}

async function addSuite(
  files: Map<string, Uint8Array>,
  { signer, place, suite, architectures, text }: {
    signer: Signer;
    place: string;
    suite: string;
    architectures: readonly string[];
    text: string;
  },
): Promise<void> {
  const list = gzipSync(new TextEncoder().encode(text), { mtime: 0 });
  const base = `${place}/dists/${suite}`;
  const lines = architectures.map((each) =>
    ` ${sha256Of(list)} ${list.length} main/binary-${each}/Packages.gz`
  );
  for (const each of architectures) {
    files.set(`${base}/main/binary-${each}/by-hash/SHA256/${sha256Of(list)}`, list);
  }
  const release = `Codename: ${suite}\nDate: Sat, 21 Nov 2026 09:15:44 UTC\nAcquire-By-Hash: yes\nSHA256:\n${
    lines.join("\n")
  }`;
  files.set(`${base}/InRelease`, new TextEncoder().encode(await signer.sign(release)));
}

/** A mirror that is being served. */
export interface Mirror {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** Serves files by their paths, on loopback. */
export async function serveMirror(
  files: { get(path: string): Uint8Array | undefined },
): Promise<Mirror> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    asked.push(path);
    const found = files.get(path);
    response.writeHead(found === undefined ? 404 : 200);
    response.end(found);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
