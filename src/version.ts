/**
 * Owns the version that the command line shows; a test holds it to package.json.
 */

/** Version of Outrider. */
export const VERSION = "0.1.0";
