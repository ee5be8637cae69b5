/**
 * Owns what a process may ask while it runs an attempt: the store, the events, the flags, what came before.
 * Must not know how calls travel, nor what the services do: they check their arguments themselves.
 * Invariant: nothing can be asked that is not listed here, and events are emitted in the name of the attempt that runs.
 */
import { encode } from "../../model/value.ts";
import type { AttemptKey } from "../../model/record.ts";
import type { Arguments } from "./said.ts";

/** Services by name, as a lane has them; values are JSON texts. */
type Services = Readonly<Record<string, ((...list: readonly unknown[]) => unknown) | undefined>>;

type Call = (services: Services, given: Arguments, from: AttemptKey) => unknown;

/** A call that passes arguments on, in the order of a service's own. */
function passing(service: string, ...names: readonly string[]): Call {
  return (services, given) => services[service]!(...names.map((name) => given[name]));
}

const CALLS: Readonly<Record<string, Call>> = {
  "store.get": passing("get", "key"),
  "store.set": ({ set }, { key, value, ifVersion, expiresInMs }) =>
    set!(key, value, withoutMissing({ ifVersion, expiresInMs })),
  "store.delete": (services, { key, ifVersion }) => services["delete"]!(key, withoutMissing({ ifVersion })),
  "store.keys": passing("keys", "prefix", "cursor"),
  "store.increment": passing("increment", "key", "by"),
  "store.compareAndSet": passing("compareAndSet", "key", "expected", "value"),
  "store.nextChange": passing("nextChange", "key", "since", "timeoutMs"),
  "events.emit": ({ emit }, { type, detail }, { task, iteration, attempt }) =>
    emit!(type, detail, { task, iteration, attempt }),
  "events.last": passing("lastEvent"),
  "events.next": passing("nextEvents", "type", "since", "timeoutMs"),
  "flags.get": passing("flagGet", "name"),
  "flags.set": passing("flagSet", "name", "value"),
  "flags.count": passing("flagCount", "name", "by"),
  "flags.change": passing("flagChange", "name", "known", "timeoutMs"),
  "files.keep": ({ fileKeep }, { path, name }, from) => fileKeep!(path, name, from),
  "files.of": passing("filesOf", "task"),
  "files.path": passing("filePath", "file"),
  previous: async ({ previous }) => encode(await previous!(), "previous"),
};

/** What is answered to a call: the fields of a reply but its number. It never rejects. */
export async function answerTo(
  name: string,
  given: Arguments,
  { services, from }: { readonly services: object; readonly from: AttemptKey },
): Promise<object> {
  try {
    const call = Object.hasOwn(CALLS, name) ? CALLS[name] : undefined;
    if (call === undefined) throw new TypeError(`There is no call ${JSON.stringify(name)}`);
    return { result: await call(services as Services, given, from) ?? null };
  } catch (error) {
    const { name: kind = "Error", message = "", code } = (error ?? {}) as Partial<Error> & { code?: unknown };
    return { error: { name: kind, message, ...(typeof code === "string" && { code }) } };
  }
}

function withoutMissing(options: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
