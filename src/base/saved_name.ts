/**
 * Owns what a file of others may be called where it is saved.
 * Must not know where that is, nor what is in the file.
 * Invariant: the name is a file's on every system, and leads to no folder, device or stream.
 */

/** What has a meaning in a name on some system. */
const MEANT_ELSEWHERE = /[:*?"<>|]/g;
/** What Windows takes for a device, with whatever ending. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;

/** The name as it can be given to a file on any system. */
export function nameToSave(name: string): string {
  const safe = name.replace(MEANT_ELSEWHERE, "_").replace(/^\s+|[\s.]+$/g, "_");
  return DEVICE.test(safe) ? `_${safe}` : safe;
}
