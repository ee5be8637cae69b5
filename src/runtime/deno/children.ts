/**
 * Owns the steps into `Deno.Command`, and into `node:child_process` on Deno. Names that are imported from there can't be
 * replaced; but it asks `Deno.env` for a certain variable before each start, and for all if it was given none.
 * Must not know what becomes of the children (children.ts does).
 */
import { intoPrototype } from "../node/children.ts";
import { undoLater } from "../environment.ts";
import { MARK } from "../offspring.ts";
import { define, type Properties, wrap } from "../replace.ts";
import { CHILD_STREAMS, type Children } from "../children.ts";

/** What `node:child_process` asks for before each start. */
const ASKED = "NODE_V8_COVERAGE";

interface Prepared {
  readonly options: Deno.CommandOptions;
  /** Those that would have been inherited. */
  readonly streams: readonly (typeof CHILD_STREAMS)[number][];
}

/** Steps in. */
export function intoDeno(children: Children): void {
  let done = false;
  const [put, remove] = [Deno.env.set.bind(Deno.env), Deno.env.delete.bind(Deno.env)] as [
    (key: unknown, value: unknown) => void,
    (key: unknown) => void,
  ];
  wrap(Deno.env, "get", (original) => (name) => {
    if (name === ASKED) {
      children.begin();
      if (!done) intoPrototype(children);
      done = true;
    }
    return own(children, name) ?? original(name);
  });
  wrap(Deno.env, "has", (original) => (name) => own(children, name) !== undefined || original(name));
  let asking = false;
  wrap(Deno.env, "toObject", (original) => () => {
    const all = original() as object;
    // In a process, its variables are read from here.
    if (asking) return all;
    asking = true;
    try {
      return { ...all, ...children.environment, ...children.marked(undefined) };
    } finally {
      asking = false;
    }
  });
  const { get } = Deno.env;
  for (const name of ["set", "delete"] as const) {
    wrap(Deno.env, name, (original) => (key, value) => {
      const before = typeof key === "string" ? get.call(Deno.env, key) : undefined;
      original(key, value);
      undoLater(() => before === undefined ? remove(key) : put(key, before));
    });
  }
  define(Deno, "Command", commandOf(children));
}

/** A variable of the thread alone: `Deno.env` is that of the process. */
function own({ environment }: Children, name: unknown): string | undefined {
  return typeof name === "string" && Object.hasOwn(environment, name) ? environment[name] : undefined;
}

function commandOf(children: Children): unknown {
  const Original = Deno.Command;
  return class Command {
    readonly #command: string | URL;
    readonly #options: Deno.CommandOptions;

    constructor(command: string | URL, options: Deno.CommandOptions = {}) {
      // For what it refuses.
      new Original(command, options);
      this.#command = command;
      this.#options = options;
    }

    spawn(): Deno.ChildProcess {
      const { options, streams } = prepared(children, this.#options, "inherit");
      const child = new Original(this.#command, options).spawn();
      for (const name of streams) {
        const stream = child[name];
        children.read(name, async (piece) => {
          for await (const chunk of stream) piece(chunk);
        });
        hide(child, name);
      }
      return child;
    }

    async output(): Promise<Deno.CommandOutput> {
      const { options, streams } = prepared(children, this.#options, "piped");
      return printed(children, await new Original(this.#command, options).output(), streams);
    }

    outputSync(): Deno.CommandOutput {
      const { options, streams } = prepared(children, this.#options, "piped");
      return printed(children, new Original(this.#command, options).outputSync(), streams);
    }
  };
}

function prepared(children: Children, given: Deno.CommandOptions, fallback: "inherit" | "piped"): Prepared {
  children.begin();
  const streams = CHILD_STREAMS.filter((name) => (given[name] ?? fallback) === "inherit");
  const inherited = given.clearEnv === true ? {} : children.environment;
  const options: Properties = { ...given, env: { ...inherited, ...given.env, [MARK]: children.marks } };
  for (const name of streams) options[name] = "piped";
  return { options, streams };
}

function printed(
  children: Children,
  output: Deno.CommandOutput,
  streams: Prepared["streams"],
): Deno.CommandOutput {
  for (const name of streams) {
    children.write(name, output[name]);
    hide(output, name);
  }
  return output;
}

/** As what is inherited shows itself. */
function hide(of: object, name: string): void {
  Object.defineProperty(of, name, {
    get() {
      throw new TypeError(`Cannot get '${name}': '${name}' is not piped`);
    },
  });
}
