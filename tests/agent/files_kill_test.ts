/**
 * Kills both ends of a file's way, real processes, in the midst of it: the agent as the file is kept and as it is sent, the
 * gateway as it takes the file and as it gives it. Between them is a line that holds still after so many bytes, so that each
 * kill comes while the file is under way.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import test from "node:test";
import type { KeptFile } from "../../src/model/file.ts";
import type { RunResult } from "../../src/model/result.ts";
import { type CliProcess, startCli, urlOf, withFiles } from "../rig.ts";

const MIB = 2 ** 20;
const SIZE = 64 * MIB;
/** What gets through before a kill: with what is sent once more of the last piece, all kills are within the file. */
const BETWEEN = 8 * MIB;

/** Every MiB is another, so that none can stand in the place of another. */
const TASKS = `
import { closeSync, openSync, writeSync } from "node:fs";
export async function capture({ files }) {
  const to = openSync("capture.pcap", "w");
  const piece = new Uint8Array(${MIB}).map((_, at) => at * 31 >> 3);
  for (let at = 0; at < ${SIZE / MIB}; at++) {
    new DataView(piece.buffer).setUint32(0, at);
    writeSync(to, piece);
  }
  closeSync(to);
  await files.keep("capture.pcap");
}
`;
const PIPELINE = {
  outrider: 1,
  name: "survey",
  tasks: { capture: { run: { module: "./tasks.mjs", export: "capture" }, onLost: "rerun" } },
};

/** A line to whichever gateway is there. */
class Line {
  /** Port of the gateway. */
  to = 0;
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();
  #left = Infinity;
  #isHeld: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor() {
    this.#server = createServer((near) => {
      const far = connect(this.to, "127.0.0.1");
      this.#pass(near, far);
      this.#pass(far, near);
    });
  }

  async open(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends what goes through it. Resolves when so many more bytes have passed, in both directions; then no more do. */
  hold(after: number): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#left = after;
    this.#isHeld = Promise.withResolvers();
    return this.#isHeld.promise;
  }

  close(): void {
    void this.hold(0);
    this.#server.close();
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("data", (piece) => {
      this.#left -= piece.length;
      if (this.#left < 0) return this.#isHeld.resolve();
      if (!to.write(piece)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
    const over = () => {
      this.#sockets.delete(from);
      to.destroy();
    };
    from.on("close", over).on("error", over);
  }
}

type End = "agent" | "gateway";

/** A gateway, an agent, and the line between them. */
class Ends {
  readonly line: Line = new Line();
  url = "";
  readonly #cwd: string;
  #env: Readonly<Record<string, string>> = {};
  readonly #running: Partial<Record<End, CliProcess>> = {};

  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  async open(): Promise<void> {
    this.url = await this.line.open();
    this.#env = {
      OUTRIDER_GATEWAY: this.url,
      OUTRIDER_EXECUTOR_ID: "pi",
      OUTRIDER_STATE_DIR: "state",
      OUTRIDER_HEARTBEAT: "1s",
      OUTRIDER_SERVE: "off",
    };
    await this.start("gateway");
    const { code, stderr } = await this.command("submit", "p.json", "--to", "pi").ended;
    assert.equal(code, 0, stderr);
  }

  async start(end: End): Promise<void> {
    const args = end === "agent" ? ["agent", "--follow"] : ["gateway", "--port", "0", "--db", "g.db"];
    const started = this.#running[end] = startCli(args, {
      cwd: this.#cwd,
      env: end === "agent" ? this.#env : {},
    });
    if (end === "gateway") this.line.to = Number(new URL(await urlOf(started)).port);
  }

  command(...args: string[]): CliProcess {
    return startCli(args, { cwd: this.#cwd, env: this.#env });
  }

  async kill(end: End): Promise<void> {
    const killed = this.#running[end]!;
    killed.kill("SIGKILL");
    assert.equal((await killed.ended).signal, "SIGKILL");
  }

  /** What the gateway answers to a user. */
  async get<T>(path: string): Promise<T> {
    const answer = await fetch(`http://127.0.0.1:${this.line.to}/v1/runs${path}`);
    assert.equal(answer.status, 200, path);
    return await answer.json() as T;
  }

  async close(): Promise<void> {
    for (const end of Object.values(this.#running)) {
      if (end.child.exitCode === null && end.child.signalCode === null) end.kill("SIGTERM");
      await end.ended;
    }
    this.line.close();
  }
}

/** Asks again until the answer is what it is to be; what the test waits for has no other sign. */
async function until<T>(ask: () => Promise<T> | T, fits: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    await new Promise((turn) => setTimeout(turn, 2));
  }
}

interface Listed {
  readonly run: string;
  readonly complete: boolean;
}

interface Kept {
  readonly files: readonly (KeptFile & { readonly here: boolean })[];
}

/** All files of a folder and below that are as large. */
function copiesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(folder, name)).size === SIZE
  );
}

test("a file is whole and there once, though agent and gateway are killed twice each in the midst of it, as it is kept, sent and fetched", () =>
  withFiles({ "tasks.mjs": TASKS, "p.json": PIPELINE }, async (cwd) => {
    const ends = new Ends(cwd);
    try {
      await ends.open();
      await ends.start("agent");
      const work = join(cwd, "state/runs/000001/files/.work");
      const copied = () => existsSync(work) ? readdirSync(work).filter((name) => /^\d+$/.test(name)) : [];
      await until(copied, ({ length }) => length > 0);
      await ends.kill("agent");
      let held = ends.line.hold(BETWEEN);
      await ends.start("agent");
      for (const end of ["agent", "gateway", "agent", "gateway"] as const) {
        await held;
        await ends.kill(end);
        held = ends.line.hold(BETWEEN);
        await ends.start(end);
      }
      await held;
      assert.deepEqual(copiesIn(join(cwd, "g.db.files")), [], "it is not there before it is whole");
      void ends.line.hold(Infinity);

      const { runs: [listed] } = await until(
        () => ends.get<{ runs: Listed[] }>(""),
        ({ runs: [first] }) => first?.complete === true,
      );
      const { run } = listed!;
      const files = await until(
        () => ends.get<Kept>(`/${run}/files`),
        ({ files: [file] }) => file?.here === true,
      );
      assert.deepEqual(files.files.map(({ name, bytes }) => [name, bytes]), [["capture.pcap", SIZE]]);
      const result = await ends.get<RunResult>(`/${run}/result`);
      const attempts = result.tasks["capture"]!;
      assert.deepEqual([result.state, attempts.at(-1)!.files?.length], ["succeeded", 1]);
      for (const { reason, files } of attempts.slice(0, -1)) {
        assert.deepEqual([reason, files], ["lost", undefined]);
      }

      held = ends.line.hold(BETWEEN);
      const fetching = ends.command("files", run, "--get", "capture.pcap", "-o", "fetched");
      for (const after of [BETWEEN, Infinity]) {
        await held;
        await ends.kill("gateway");
        held = ends.line.hold(after);
        await ends.start("gateway");
      }
      const { code, stderr } = await fetching.ended;
      assert.equal(code, 0, stderr);
      const hash = (name: string) => createHash("sha256").update(readFileSync(join(cwd, name))).digest("hex");
      assert.deepEqual([hash("fetched"), files.files[0]!.sha256], [
        hash("capture.pcap"),
        hash("capture.pcap"),
      ]);
      assert.deepEqual([copiesIn(join(cwd, "g.db.files")).length, copiesIn(join(cwd, "state"))], [1, []]);
    } finally {
      await ends.close();
    }
  }));
