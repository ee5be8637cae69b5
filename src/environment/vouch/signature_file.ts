/**
 * Owns how the files of signatures are called: `FILE.minisig`, and `FILE.ID.minisig` for those of further keys.
 * Must not know what is signed.
 * Invariant: a name is a signature's of one file, or of none.
 */

/** How the name of a signature's file ends. */
export const PLAIN_SIGNATURE = ".minisig";

const NAME = /^(.+?)(?:\.[0-9A-F]{16})?\.minisig$/;

/** The name of a signature's file. @param keyId Of a key that is not the first one. */
export function signatureName(file: string, keyId?: string): string {
  return `${file}${keyId === undefined ? "" : `.${keyId}`}${PLAIN_SIGNATURE}`;
}

/** The name of the file that a file is a signature of; nothing if it is none. */
export function signedName(name: string): string | undefined {
  return NAME.exec(name)?.[1];
}

/** Of the names in a folder, those of the signatures of a file, the plain one first. */
export function signatureNames(file: string, names: readonly string[]): readonly string[] {
  return names.filter((name) => signedName(name) === file).sort((a, b) => a.length - b.length);
}
