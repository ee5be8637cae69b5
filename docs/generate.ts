/**
 * Owns what in docs/ is made from the sources; run it with any of the runtimes: `node docs/generate.ts`.
 * Must not be imported by the product.
 * Invariant: the same sources give the same files.
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import { readFileSync, writeFileSync } from "node:fs";
import { configTable, dialectTable } from "../src/config/tables.ts";
import { ENVIRONMENT_CHOICES, environmentSchema } from "../src/environment/document/schema.ts";
import { CHOICES, manifestSchema } from "../src/pipeline/document/schema.ts";
import { withCommands } from "./cli_reference.ts";

type Json = Readonly<Record<string, unknown>>;
type Schema = Parameters<typeof toJsonSchema>[0];

/** The JSON Schema (draft 2020-12) of the JSON form of a pipeline: the text of docs/pipeline.schema.json. */
export function pipelineSchema(): string {
  return schemaText(manifestSchema, CHOICES, {
    title: "Outrider pipeline",
    description: "The JSON form of a pipeline. docs/pipelines.md explains it.",
  });
}

/** The JSON Schema of environment.json: the text of docs/environment.schema.json. */
export function environmentJsonSchema(): string {
  return schemaText(environmentSchema, ENVIRONMENT_CHOICES, {
    title: "Outrider environment",
    description: "What environment.json says. docs/environments.md explains it.",
  });
}

type Choices = ReadonlyMap<Schema, { readonly name: string; readonly options: readonly Schema[] }>;

function schemaText(schema: Schema, known: Choices, about: Json): string {
  const { properties, required, additionalProperties } = convert(schema, known);
  const choices = [...known.values()].map(({ name, options }) =>
    [name, { anyOf: options.map((option) => convert(option, known)) }] as const
  );
  const document = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...about,
    type: "object",
    properties,
    required,
    additionalProperties,
    $defs: Object.fromEntries(choices),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function convert(schema: Schema, known: Choices): Json {
  const { $schema: _dialect, $defs: _choices, ...converted } = toJsonSchema(schema, {
    target: "draft-2020-12",
    ignoreActions: ["check"],
    overrideSchema: ({ valibotSchema, jsonSchema }) => {
      const choice = known.get(valibotSchema as Schema);
      if (choice !== undefined) return { $ref: `#/$defs/${choice.name}` };
      return valibotSchema.type === "object_with_rest"
        ? { ...jsonSchema, additionalProperties: false }
        : null;
    },
  }) as Json;
  return converted;
}

/** The text of docs/configuration.md with the tables of all variables as their schemas have them. */
export function withConfigTable(text: string): string {
  const tables = [
    [/^\| variable +\| what it says .*\n(?:\|.*\n)+/m, configTable],
    [/^\| variable +\| dialect .*\n(?:\|.*\n)+/m, dialectTable],
  ] as const;
  return tables.reduce((before, [head, made]) => {
    if (!head.test(before)) throw new Error("A table in docs/configuration.md is missing: give it its head");
    return before.replace(head, () => `${made()}\n`);
  }, text);
}

if (import.meta.main) {
  const configuration = new URL("configuration.md", import.meta.url);
  writeFileSync(configuration, withConfigTable(readFileSync(configuration, "utf8")));
  const cli = new URL("cli.md", import.meta.url);
  writeFileSync(cli, await withCommands(readFileSync(cli, "utf8")));
  writeFileSync(new URL("pipeline.schema.json", import.meta.url), pipelineSchema());
  writeFileSync(new URL("environment.schema.json", import.meta.url), environmentJsonSchema());
}
