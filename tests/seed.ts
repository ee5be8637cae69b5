/**
 * Owns what chance in tests begins with: the day, so that every day tries other moments, and a failure can be had again.
 */
import process from "node:process";

/** `OUTRIDER_TEST_SEED`, or the day's number since 1970. The runner of the tests prints it. */
export const SEED: number = Number(process.env["OUTRIDER_TEST_SEED"] ?? Math.floor(Date.now() / 86_400_000));
