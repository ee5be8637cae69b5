/**
 * Owns telling somebody whose failure is none of the teller's.
 * Must not know who is told, and of what.
 */

/** Calls `tell`; what it throws is handed to the process, and never to the caller. */
export function apart(tell: () => void): void {
  try {
    tell();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
