/**
 * Owns the list of the builders of environments. One more is a file in this folder and a line here.
 * Must not know what is in a builder.
 * Invariant: no kind is that of two builders.
 */
import type { Builder } from "./builder.ts";
import { bundleBuilder } from "./bundle.ts";
import { executableBuilder } from "./executable.ts";
import { ociBuilder } from "./oci.ts";
import { scriptBuilder } from "./script.ts";
import { vmBuilder } from "./vm.ts";

/** All of them. */
export const BUILDERS: readonly Builder[] = [
  executableBuilder,
  bundleBuilder,
  ociBuilder,
  scriptBuilder,
  vmBuilder,
];
