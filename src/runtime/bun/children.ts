/**
 * Owns the steps into `Bun.spawn` and `Bun.spawnSync`, on which its `node:child_process` stands, and into its shell.
 * Must not know what becomes of the children (children.ts does).
 */
import { type Anything, define, type Properties, wrap } from "../replace.ts";
import { captured, CHILD_STREAMS, type Children, type Inherited } from "../children.ts";

type StreamName = (typeof CHILD_STREAMS)[number];
type ShellOutput = Readonly<Record<StreamName, Uint8Array>>;
type Shell = Promise<ShellOutput> & { quiet(on?: boolean): Shell };

/** Steps in. */
export function intoBun(children: Children): void {
  const bun = (globalThis as unknown as { readonly Bun: Properties }).Bun;
  wrap(bun, "spawn", (original) => (...args) => {
    children.begin();
    const { call, inherited } = prepared(children, args, { stderr: "inherit", instead: () => "pipe" });
    const child = original(...call) as Properties;
    for (const [at, to] of inherited) {
      const name = CHILD_STREAMS[at - 1]!;
      const stream = child[name] as AsyncIterable<Uint8Array>;
      children.read(to, async (piece) => {
        for await (const chunk of stream) piece(chunk);
      });
      Object.defineProperty(child, name, { value: undefined, configurable: true });
    }
    return child;
  });
  wrap(
    bun,
    "spawnSync",
    (original) => (...args) =>
      children.atOnce((instead) => original(...prepared(children, args, { stderr: "pipe", instead }).call)),
  );
  intoShell(bun, children);
}

/** Arguments are `(command, options)` or `({cmd, …})`; the streams are in `stdio` or have names. */
function prepared(
  children: Children,
  args: readonly unknown[],
  { stderr, instead }: { readonly stderr: string; readonly instead: (to: StreamName) => unknown },
): { readonly call: readonly unknown[]; readonly inherited: Inherited } {
  const at = Array.isArray(args[0]) ? 1 : 0;
  const given = (args[at] ?? {}) as Properties;
  const listed = (given["stdio"] ?? []) as readonly unknown[];
  const named = [given["stdin"] ?? "ignore", given["stdout"] ?? "pipe", given["stderr"] ?? stderr];
  // In a list, null says that there is none.
  const wanted = [
    ...named.map((each, place) => listed[place] === undefined ? each : listed[place]),
    ...listed.slice(3),
  ];
  const { stdio, inherited } = captured(wanted, instead);
  const { stdin: _in, stdout: _out, stderr: _err, ...rest } = given;
  const call = [...args];
  call[at] = { ...inherited.length === 0 ? given : { ...rest, stdio }, env: children.marked(given["env"]) };
  return { call, inherited };
}

/** The shell keeps what it prints; unless it was asked to be quiet, that is told when it has ended. */
function intoShell(bun: Properties, children: Children): void {
  const { prototype } = (bun["$"] as { readonly ShellPromise: { readonly prototype: Shell } }).ShellPromise;
  const { quiet } = prototype;
  const then = prototype.then as Anything;
  const silent = new WeakSet<object>();
  const begun = new WeakSet<object>();
  define(prototype, "quiet", function (this: Shell, on = true) {
    if (on) silent.add(this);
    else silent.delete(this);
    return quiet.call(this, true);
  });
  // It begins to run with the first call of this.
  define(prototype, "then", function (this: Shell, ...args: unknown[]) {
    if (begun.has(this)) return then.apply(this, args);
    begun.add(this);
    children.begin();
    quiet.call(this, true);
    const tell = (output: ShellOutput) => {
      if (silent.has(this)) return;
      for (const name of CHILD_STREAMS) if (output[name]?.length > 0) children.write(name, output[name]);
    };
    then.call(this, tell, tell);
    return then.apply(this, args);
  });
}
