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
import { signatureName, signedName } from "../vouch/signature_file.ts";
import { MAX_SIGNATURE } from "../vouch/signed.ts";
import { SIGNATURE_NOTE, SIGNATURE_TYPE, VOUCHERS } from "./artifacts.ts";
import { RegistryError } from "./error.ts";
import type { RegistryLine } from "./line.ts";
import { manifestOf, referrersOf } from "./pull.ts";
import { MAX_SMALL_BYTES, smallBlob } from "./small.ts";

/** Of those of one type that do not say in the list what they are, so many are fetched. */
const MAX_FETCHED = 100;
/** Most keys whose signatures are written. */
const MAX_KEYS = 10;
/** Most files of one of them that are looked at. */
const MAX_LAYERS = 10;

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

/** A key that has signed a record: all artifacts that say so, of which some may say nothing true of other files. */
interface Signer extends Said {
  readonly found: FoundSignature[];
}

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
      const name = signatureName(MADE_FILE);
      const wanted = (title: string) => title === name;
      for await (const [, text] of textsOf(place, artifact, { wanted, most: MAX_SIGNATURE })) {
        yield { text, artifact };
      }
    }
  }
}

/**
 * The wanted files of an artifact, with their names: of none that does not lie beside a record, nor of what can't be had. Who
 * may push may add what is larger than it may be, or is not there.
 */
async function* textsOf(
  { line, repository }: Place,
  { digest }: OciDescriptor,
  { wanted, most }: { readonly wanted: (title: string) => boolean; readonly most: number },
): AsyncGenerator<readonly [title: string, text: string], void, undefined> {
  const found = await hadOrNot(() => manifestOf(line, repository, digest));
  for (const layer of (found?.manifest.layers ?? []).slice(0, MAX_LAYERS)) {
    const title = layer.annotations?.[TITLE] ?? "";
    if (!/^[\w+-][\w.+-]{0,199}$/.test(title) || !wanted(title)) continue;
    const bytes = await hadOrNot(() => smallBlob({ line, repository }, layer, most));
    if (bytes !== undefined) yield [title, new TextDecoder().decode(bytes)];
  }
}

/** What the registry has; nothing where it says for good that it has it not, or not as it was said to be. */
async function hadOrNot<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof RegistryError && !error.transient) return undefined;
    throw error;
  }
}

/** Writes what vouches for a record beside it: signatures, one for each key, the list of what is in it, where it is from. */
export async function pullVouchers(
  { folder, ...place }: Place & { readonly folder: string },
  digest: string,
  { text, judge }: { readonly text: string; readonly judge?: Judge | undefined },
): Promise<void> {
  const signers = await signersOf(place, digest, { text, judge: judge ?? unjudged });
  const signatures = signaturesIn(place);
  const put = async (file: string, contents: string, judged: Judge): Promise<boolean> => {
    const bytes = new TextEncoder().encode(contents);
    const counting: { readonly keyId: string; readonly signature: string }[] = [];
    for (const { keyId, version, found } of signers) {
      for (const each of found) {
        const signature = file === MADE_FILE
          ? each.text
          : (await signatures(each.artifact)).get(signatureName(file));
        const said = signature === undefined ? undefined : await judged(bytes, signature, file);
        // All that a folder has is signed as one version.
        if (said?.keyId !== keyId || said.version !== version) continue;
        counting.push({ keyId, signature: signature! });
        break;
      }
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

/** Asks for the signatures in an artifact, by name, once for each. */
function signaturesIn(place: Place): (artifact: OciDescriptor) => Promise<ReadonlyMap<string, string>> {
  const known = new Map<string, ReadonlyMap<string, string>>();
  const wanted = (title: string) => signedName(title) !== undefined;
  return async (artifact) => {
    let texts = known.get(artifact.digest);
    if (texts === undefined) {
      texts = new Map(await Array.fromAsync(textsOf(place, artifact, { wanted, most: MAX_SIGNATURE })));
      known.set(artifact.digest, texts);
    }
    return texts;
  };
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
    const wanted = (title: string) => title.endsWith(ending);
    for await (const [name, contents] of textsOf(place, artifact, { wanted, most: MAX_SMALL_BYTES })) {
      counts = await put(name, contents, judge ?? unjudged) || counts;
    }
    if (counts) return;
  }
}

/** Of each key the signatures with the highest version; those of the highest come first. */
async function signersOf(
  place: Place,
  digest: string,
  { text, judge }: { readonly text: string; readonly judge: Judge },
): Promise<readonly Signer[]> {
  const signers = new Map<string, Signer>();
  const bytes = new TextEncoder().encode(text);
  for await (const each of signaturesOf(place, digest)) {
    const said = await judge(bytes, each.text, MADE_FILE);
    if (said === undefined) continue;
    const known = signers.get(said.keyId);
    if (known === undefined ? signers.size < MAX_KEYS : known.version < said.version) {
      signers.set(said.keyId, { ...said, found: [each] });
    } else if (known?.version === said.version && known.found.length < MAX_FETCHED) known.found.push(each);
  }
  return [...signers.values()].sort((a, b) => b.version - a.version);
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
