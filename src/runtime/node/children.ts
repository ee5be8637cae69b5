/**
 * Owns the step into `node:child_process`: on Node as soon as something asks for it, so that who does not pays nothing.
 * Must not know what becomes of the children (children.ts does).
 */
import nodeModule from "node:module";
import process from "node:process";
import { MARK } from "../offspring.ts";
import { type Anything, define, type Properties, wrap } from "../replace.ts";
import { captured, CHILD_STREAMS, type Children } from "../children.ts";

type Readable = { on(event: string, listener: (chunk: unknown) => void): void };
type NodeChild = Properties & { readonly stdio?: (Readable | null)[] };

/** Steps in on Node. */
export function intoNode(children: Children): void {
  let done = false;
  const into = (name: unknown) => {
    if (done || !/^(node:)?(child_process|cluster)$/.test(String(name))) return;
    done = true;
    intoModule(children);
  };
  type Hooks = { registerHooks?(hooks: { resolve: Anything }): void };
  (nodeModule as unknown as Hooks).registerHooks?.({
    resolve: (name, context, next) => {
      into(name);
      return (next as Anything)(name, context);
    },
  });
  wrap(process, "getBuiltinModule", (original) => (name) => {
    into(name);
    return original(name);
  });
}

function intoModule(children: Children): void {
  const module = childProcess();
  intoPrototype(children);
  for (const name of ["spawnSync", "execFileSync", "execSync"]) {
    wrap(module, name, (original) => (...args) => {
      const at = name === "execSync" || isOptions(args[1]) ? 1 : 2;
      return children.atOnce((instead) => {
        const given = (args[at] ?? {}) as Properties;
        const call = [...args];
        call[at] = {
          ...given,
          ...given["env"] == null ? {} : { env: children.marked(given["env"]) },
          ...given["stdio"] == null ? {} : { stdio: captured(given["stdio"], instead).stdio },
        };
        return original(...call);
      });
    });
  }
  (nodeModule as { syncBuiltinESMExports?: () => void }).syncBuiltinESMExports?.();
}

function isOptions(what: unknown): boolean {
  return typeof what === "object" && what !== null && !Array.isArray(what);
}

/** Steps into what is not synchronous, all of which comes by one method: `spawn`, `exec`, `execFile`, `fork`. */
export function intoPrototype(children: Children): void {
  const { prototype } = childProcess()["ChildProcess"] as { readonly prototype: Properties };
  const original = prototype["spawn"] as Anything;
  define(prototype, "spawn", function (this: NodeChild, given: Properties) {
    children.begin();
    const { stdio, inherited } = captured(given["stdio"], () => "pipe");
    const result = original.call(this, { ...given, ...markedBoth(given, children), stdio });
    for (const [at, to] of inherited) {
      // There is none if it could not be started.
      const stream = this.stdio?.[at];
      if (stream == null) continue;
      children.read(to, (piece) => until(stream, piece));
      this.stdio![at] = null;
      this[CHILD_STREAMS[at - 1]!] = null;
    }
    return result;
  });
}

/** The environment, which comes as pairs on Node, and as an object on Deno. */
function markedBoth({ env, envPairs }: Properties, children: Children): Properties {
  const others = Array.isArray(envPairs)
    ? envPairs.filter((pair) => !String(pair).startsWith(`${MARK}=`))
    : undefined;
  return {
    ...others === undefined ? {} : { envPairs: [...others, `${MARK}=${children.marks}`] },
    ...env == null ? {} : { env: children.marked(env) },
  };
}

function until(stream: Readable, piece: (chunk: Uint8Array) => void): Promise<void> {
  return new Promise((done) => {
    stream.on("data", (chunk) => piece(chunk as Uint8Array));
    stream.on("close", () => done());
    stream.on("error", () => done());
  });
}

function childProcess(): Properties {
  return (process as unknown as { getBuiltinModule(name: string): Properties }).getBuiltinModule(
    "child_process",
  );
}
