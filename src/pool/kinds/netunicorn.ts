/**
 * Owns how tasks of netUnicorn's graphs are run: by which Python, and how a process for one graph is started.
 * Must not know what is said to a process (process/), nor what is in a graph: only Python opens one.
 * Invariant: a graph with code in it is opened by the minor version of Python that made it, and no other: that could crash.
 */
import type { GraphRun } from "../../pipeline/kinds/netunicorn.ts";
import type { Launch } from "../process/life.ts";
import { pythonText } from "./python.ts";
import { type Interpreter, interpreterOf, PYTHON_VARIABLE, PythonError } from "./python_interpreter.ts";
import type { KeptKind, KeptRunner, RunnerPort } from "./runner.ts";

/** Tasks of netUnicorn's graphs. */
export const netunicorn: KeptKind = {
  key: "netunicorn",
  open: (port) => new Graphs(port),
};

/** What runs a graph's tasks is read behind the runner, in the same names. */
async function program(): Promise<string> {
  // Large, and of no use to a run without such tasks.
  const { graphCode, pythonCode } = await import("./python_code.ts");
  return `names = {"__name__": "outrider"}
for code in (${pythonText(pythonCode)}, ${pythonText(graphCode)}):
    exec(compile(code, "<outrider>", "exec"), names)`;
}

/** How tasks are kept apart where the pipeline does not say. */
const ISOLATION = "OUTRIDER_NETUNICORN_ISOLATION";

/** What netUnicorn's tasks find in their environment: with these they ask its gateway for flags by themselves. */
const THEIRS = ["NETUNICORN_GATEWAY_ENDPOINT", "NETUNICORN_EXECUTOR_ID", "NETUNICORN_EXPERIMENT_ID"];

/** netUnicorn writes with a graph which Python made it. */
const MAKER = /python_version[^]{2,3}3\.(\d+)\./;
/** Where a pickle holds code of functions, and not only their names. */
const CODE = "CodeType";

class Graphs implements KeptRunner {
  readonly #port: RunnerPort;
  /** By graph. */
  readonly #interpreters: Map<string, Promise<Interpreter>> = new Map();

  constructor(port: RunnerPort) {
    this.#port = port;
  }

  /** Without a node, it is to tell what is in the graph. */
  workOf(run: object): string {
    const { node, isolation } = run as Partial<GraphRun>;
    if (node === undefined) return '{"tell":true}';
    return JSON.stringify({ node, isolation: isolation ?? isolationIn(this.#port) });
  }

  async launch(run: object): Promise<Launch> {
    const { netunicorn: url, node } = run as GraphRun;
    const { runtime } = this.#port;
    const isolation = isolationIn(this.#port);
    if (isolation !== "fork" && isolation !== "none") {
      throw new PythonError(`${ISOLATION} must be fork or none; received ${JSON.stringify(isolation)}`);
    }
    const theirs = THEIRS.flatMap((name) =>
      runtime.env(name) === undefined ? [] : [[name, runtime.env(name)!]]
    );
    const env = { ...this.#port.environment(), ...Object.fromEntries(theirs) as Record<string, string> };
    let interpreter = this.#interpreters.get(url);
    if (interpreter === undefined) {
      this.#interpreters.set(url, interpreter = this.#interpreterFor(url, env));
      interpreter.catch(() => this.#interpreters.delete(url));
    }
    const { executable } = await interpreter;
    return {
      // Unbuffered: what C code prints is lost with its fork otherwise.
      command: [executable, "-u", "-c", await program()],
      cwd: runtime.cwd(),
      env,
      setup: {
        path: [runtime.cwd()],
        ...(url.startsWith("data:") ? { graph: base64In(url) } : { file: runtime.filePath(url) }),
        open: node !== undefined,
      },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #interpreterFor(url: string, env: Readonly<Record<string, string>>): Promise<Interpreter> {
    const { runtime } = this.#port;
    const text = url.startsWith("data:")
      ? atob(base64In(url))
      : await runtime.readText(runtime.filePath(url), undefined, "loose");
    const minor = text.includes(CODE) ? MAKER.exec(text)?.[1] : undefined;
    const usual = await interpreterOf(this.#port, env).catch((error: Error) => error);
    if (!(usual instanceof Error) && (minor === undefined || usual.version.startsWith(`3.${minor}.`))) {
      return usual;
    }
    if (minor !== undefined && !runtime.env(PYTHON_VARIABLE)) {
      const made = await interpreterOf(this.#port, env, `python3.${minor}`).catch(() => undefined);
      if (made?.version.startsWith(`3.${minor}.`)) return made;
    }
    if (usual instanceof Error) throw usual;
    throw new PythonError(
      `The graph was made with Python 3.${minor}, and ${usual.executable} is ${usual.version}: put a python3.${minor} with netunicorn-base, cloudpickle and returns on the PATH, or name one by ${PYTHON_VARIABLE}`,
    );
  }
}

function isolationIn({ runtime }: RunnerPort): string {
  return runtime.env(ISOLATION) || "fork";
}

function base64In(url: string): string {
  return url.slice(url.indexOf(",") + 1);
}
