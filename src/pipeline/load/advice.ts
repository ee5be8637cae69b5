/**
 * Owns what to do about a module that a runtime can't load: each knows why, and none knows what a pipeline's author can do.
 * Must not know how modules are loaded.
 * Invariant: what the runtime says stays, but for advice of its own that leads astray.
 */

interface Advice {
  /** What runtimes say. */
  readonly when: RegExp;
  readonly say: string;
  /** What of that is left out. */
  readonly without?: RegExp;
}

const ADVICE: readonly Advice[] = [
  {
    when: /Cannot use import statement outside a module|Unexpected token '(?:export|import)'/,
    say:
      'it is an ES module, and the nearest package.json says "type": "commonjs": run npm pkg set type=module there, or end the file\'s name with .mts or .mjs',
  },
  {
    when: /\b(?:exports|module|require) is not defined/,
    say:
      "it is written as CommonJS, and read as an ES module: end the file's name with .cjs, or write export",
    without: /\n?\s*This file is being treated as an ES module[^\n]*/g,
  },
  {
    when: /TypeScript enum is not supported in strip-only mode/,
    say:
      "Node only leaves types out: write const Level = { low: 0, high: 1 } as const, or run it with Deno or Bun",
  },
  {
    when: /TypeScript (?:namespace|module).* not supported in strip-only mode/,
    say: "Node only leaves types out: write a module with exports, or run it with Deno or Bun",
  },
  {
    when: /TypeScript parameter property is not supported in strip-only mode/,
    say:
      "Node only leaves types out: declare the field, and set it in the constructor, or run it with Deno or Bun",
  },
  {
    when: /not supported in strip-only mode|in strip-only mode/,
    say: "Node only leaves types out: write what can be left out, or run it with Deno or Bun",
  },
  {
    when: /Import "outrider[^"]*" not a dependency/,
    say:
      'Deno needs an import map for it: "imports": { "outrider": "npm:outrider" } in the deno.json that it is started with (--config FILE); Node and Bun need none',
    without: /\n[^\n]*hint[^\n]*available in this workspace[^\n]*/g,
  },
];

/** What a runtime says of a module that it can't load, with what to do about that. */
export function advised(message: string): string {
  const advice = ADVICE.find(({ when }) => when.test(message));
  if (advice === undefined) return message;
  const [first = "", ...rest] = (advice.without ? message.replace(advice.without, "") : message).split("\n");
  return [`${first}: ${advice.say}`, ...rest].join("\n");
}
