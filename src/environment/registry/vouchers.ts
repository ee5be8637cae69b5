/**
 * Owns which of what refers to an environment in a registry is taken: whoever may push there may have added to it.
 * Must not know which keys are trusted, nor what is done with an environment.
 * Invariant: where somebody judges, what is written is signed as they want it; what does not count hides nothing that does,
 * but behind ten thousand others.
 */
import type { Bytes } from "../../base/bytes.ts";
import { type OciDescriptor, TITLE } from "../../model/oci.ts";
import { pathIn, writeWhole } from "../../runtime/disk.ts";
import { commentVersion } from "../../trust/keys.ts";
import { signatureOf } from "../../trust/minisign.ts";
import { MADE_FILE } from "../made.ts";
import { signatureName } from "../vouch/signature_file.ts";
import { SIGNATURE_NOTE, SIGNATURE_TYPE, VOUCHERS } from "./artifacts.ts";
import type { RegistryLine } from "./line.ts";
import { manifestOf, referrersOf } from "./pull.ts";
import { smallBlob } from "./small.ts";

/** Of those of one type that do not say in the list what they are, so many are fetched. */
const MAX_FETCHED = 100;
/** Most keys whose signatures are written. */
const MAX_KEYS = 10;

/** Where an environment lies. */
interface Place {
  readonly line: RegistryLine;
  readonly repository: string;
}

/** Whose a signature is. */
interface Said {
  readonly keyId: string;
  readonly version: number;
}

/** Tells whose a signature over some bytes is; nothing if it does not count. @param file The name that it is signed under. */
export type Judge = (bytes: Bytes, signature: string, file: string) => Promise<Said | undefined>;

/** A signature of a record. */
interface FoundSignature {
  readonly text: string;
  /** What it is in, with those of other files. */
  readonly artifact: OciDescriptor;
}

/** The texts of the signatures of a record. It may have been signed anew, and by several. */
export async function* recordSignatures(
  place: Place,
  digest: string,
): AsyncGenerator<string, void, undefined> {
  for await (const { text } of signaturesOf(place, digest)) yield text;
}

async function* signaturesOf(
  place: Place,
  digest: string,
): AsyncGenerator<FoundSignature, void, undefined> {
  let fetched = 0;
  for await (
    const artifact of referrersOf(place.line, place.repository, { digest, type: SIGNATURE_TYPE })
  ) {
    const noted = artifact.annotations?.[SIGNATURE_NOTE];
    if (noted !== undefined) yield { text: noted, artifact };
    else if (fetched++ < MAX_FETCHED) {
      const text = (await textsOf(place, artifact)).get(signatureName(MADE_FILE));
      if (text !== undefined) yield { text, artifact };
    }
  }
}

/** The files of an artifact, by name: of none that does not lie beside a record. */
async function textsOf({ line, repository }: Place, { digest }: OciDescriptor): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const found = await manifestOf(line, repository, digest);
  for (const layer of (found?.manifest.layers ?? []).slice(0, MAX_KEYS)) {
    const title = layer.annotations?.[TITLE] ?? "";
    if (!/^[\w+-][\w.+-]{0,199}$/.test(title)) continue;
    texts.set(title, new TextDecoder().decode(await smallBlob({ line, repository }, layer)));
  }
  return texts;
}

/** Writes what vouches for a record beside it: signatures, one for each key, the list of what is in it, where it is from. */
export async function pullVouchers(
  { folder, ...place }: Place & { readonly folder: string },
  digest: string,
  { text, judge }: { readonly text: string; readonly judge?: Judge | undefined },
): Promise<void> {
  const signed = await bestOf(place, digest, { text, judge: judge ?? unjudged });
  const sets = await Promise.all(signed.map(async ({ keyId, version, text: signature, artifact }) => ({
    keyId,
    version,
    texts: (await textsOf(place, artifact)).set(signatureName(MADE_FILE), signature),
  })));
  const put = async (file: string, contents: string, judged: Judge): Promise<boolean> => {
    const counting: { readonly keyId: string; readonly signature: string }[] = [];
    for (const { keyId, version, texts } of sets) {
      const signature = texts.get(signatureName(file));
      if (signature === undefined) continue;
      const said = await judged(new TextEncoder().encode(contents), signature, file);
      // All that a folder has is signed as one version.
      if (said?.keyId === keyId && said.version === version) counting.push({ keyId, signature });
    }
    if (judge !== undefined && counting.length === 0) return false;
    if (file !== MADE_FILE) await writeWhole(pathIn(folder, file), { text: contents });
    for (const [at, { keyId, signature }] of counting.entries()) {
      const name = signatureName(file, at === 0 ? undefined : keyId);
      await writeWhole(pathIn(folder, name), { text: signature });
    }
    return true;
  };
  await put(MADE_FILE, text, judge ?? unjudged);
  for (const [ending, type] of VOUCHERS) await pullOne(place, digest, { ending, type, put, judge });
}

/** The first that counts of those of one type. */
async function pullOne(
  place: Place,
  digest: string,
  { ending, type, put, judge }: {
    readonly ending: string;
    readonly type: string;
    readonly put: (file: string, contents: string, judge: Judge) => Promise<boolean>;
    readonly judge: Judge | undefined;
  },
): Promise<void> {
  let fetched = 0;
  for await (const artifact of referrersOf(place.line, place.repository, { digest, type })) {
    if (fetched++ >= MAX_FETCHED) return;
    let counts = false;
    for (const [name, contents] of await textsOf(place, artifact)) {
      if (name.endsWith(ending)) counts = await put(name, contents, judge ?? unjudged) || counts;
    }
    if (counts) return;
  }
}

/** Of each key the signature with the highest version; those of the highest come first. */
async function bestOf(
  place: Place,
  digest: string,
  { text, judge }: { readonly text: string; readonly judge: Judge },
): Promise<readonly (FoundSignature & Said)[]> {
  const best = new Map<string, FoundSignature & Said>();
  const bytes = new TextEncoder().encode(text);
  for await (const each of signaturesOf(place, digest)) {
    const said = await judge(bytes, each.text, MADE_FILE);
    if (said === undefined) continue;
    const known = best.get(said.keyId);
    if (known === undefined ? best.size < MAX_KEYS : known.version < said.version) {
      best.set(said.keyId, { ...each, ...said });
    }
  }
  return [...best.values()].sort((a, b) => b.version - a.version);
}

/** What a signature says itself, which anybody may have written. */
function unjudged(_: Bytes, signature: string): Promise<Said> {
  try {
    const { keyId, comment } = signatureOf(signature);
    return Promise.resolve({ keyId, version: commentVersion(comment) });
  } catch {
    return Promise.resolve({ keyId: "0".repeat(16), version: 0 });
  }
}
