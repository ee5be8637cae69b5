/**
 * Owns the positional arguments that several commands have.
 * Must not know what they are used for.
 */

interface Argument {
  readonly placeholder: string;
  readonly brief: string;
  readonly parse: (input: string) => string;
}

/** The pipeline to do something with. */
export const pipelineFile: { readonly kind: "tuple"; readonly parameters: readonly [Argument] } = {
  kind: "tuple",
  parameters: [{
    placeholder: "FILE",
    brief: "The pipeline: a .ts or .js module, a .json file, or - for stdin",
    parse: String,
  }],
};

/** A run of a gateway's, where none is meant on this machine. */
export const runId: {
  readonly kind: "tuple";
  readonly parameters: readonly [Argument & { readonly optional: true }];
} = {
  kind: "tuple",
  parameters: [{
    placeholder: "RUN",
    brief: "The run's id, as outrider results lists it; not with --state-dir or --url",
    parse: String,
    optional: true,
  }],
};
