/**
 * Owns which dialects there are: one line adds one.
 * Must not know what any of them is like.
 * Invariant: names are unique; of two with the same scheme at most one has no variable for the address.
 */
import type { Dialect } from "./dialect.ts";
import { natsDialect } from "./nats/nats.ts";
import { netunicornDialect } from "./netunicorn/netunicorn.ts";
import { outriderDialect } from "./outrider.ts";

/** All dialects. */
export const DIALECTS: readonly Dialect[] = [outriderDialect, netunicornDialect, natsDialect];
