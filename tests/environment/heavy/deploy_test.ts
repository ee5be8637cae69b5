/**
 * A device that works is told to be of another environment: a real gateway, a real supervisor and its agents, from `deploy` to
 * what runs then. Runs once, on Node (tools/test.ts).
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { MADE_FILE, madeText } from "../../../src/environment/made.ts";
import type { Target } from "../../../src/environment/document/schema.ts";
import type { HeartbeatEnvironment } from "../../../src/protocol/messages.ts";
import { runtime } from "../../../src/runtime/runtime.ts";
import { digestOf } from "../../gateway/registry_rig.ts";
import { ROOT, runCli, startCli, urlOf, withFiles } from "../../rig.ts";

const TOKEN = "the-gateways-token";
/** Of an executable's file, most of which is never read. */
const BYTES = 8 * 1024 * 1024;
/** Longest that anything is waited for, milliseconds. */
const LIMIT_MS = 60_000;

/** The line between the gateway and the device: it can be stopped in the midst of a blob, and knows which were asked for. */
interface Line {
  readonly url: string;
  /** Blobs that were asked for, each with the range, if one was. */
  readonly asked: string[];
  /** Lets no more than so many bytes of any blob through. */
  blobBytes: number;
  close(): void;
}

async function lineTo(gateway: string): Promise<Line> {
  const { host, hostname, port } = new URL(gateway);
  const asked: string[] = [];
  const server = createServer((from, to) => {
    const { method, url: path, headers } = from;
    const isBlob = /\/blobs\/sha256:/.test(path!);
    const onward = request({ hostname, port, method, path, headers: { ...headers, host } }, (answer) => {
      to.writeHead(answer.statusCode!, answer.headers);
      let came = 0;
      answer.on("data", (piece: Uint8Array) => {
        came += piece.length;
        if (isBlob && came > line.blobBytes) answer.pause();
        else to.write(piece);
      });
      answer.on("end", () => to.end());
      answer.on("error", () => to.destroy());
    });
    if (isBlob) asked.push(`${path!.slice(path!.indexOf("sha256:"))} ${headers.range ?? ""}`.trim());
    onward.on("error", () => to.destroy());
    to.on("close", () => onward.destroy());
    from.pipe(onward);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const line: Line = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    blobBytes: Infinity,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return line;
}

/** Waits until something is so. */
async function until<T>(
  what: string,
  found: () => Promise<T | undefined> | T | undefined,
  everyMs = 50,
): Promise<T> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const value = await found();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`It was not so in time: ${what}`);
    await new Promise((next) => setTimeout(next, everyMs));
  }
}

/** A gateway, the line to it, and an agent with its supervisor that trusts one key. */
class World {
  readonly cwd: string;
  readonly gateway: string;
  readonly line: Line;

  constructor(cwd: string, gateway: string, line: Line) {
    this.cwd = cwd;
    this.gateway = gateway;
    this.line = line;
  }

  async outrider(...args: string[]): Promise<string> {
    const env = { OUTRIDER_GATEWAY: this.gateway, OUTRIDER_TOKEN: TOKEN };
    const { code, stdout, stderr } = await runCli(args, { cwd: this.cwd, env });
    assert.equal(code, 0, `outrider ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Builds, signs and pushes an environment whose executable notes its start, and then does as it is told. */
  async push(version: string, { does, key = "ours" }: { readonly does: string; readonly key?: string }) {
    const folder = join(this.cwd, version);
    mkdirSync(folder);
    const start = `#!/bin/sh\necho "${version} $$" >>'${join(this.cwd, "starts")}'\n${does}\nexit\n`;
    const text = start.padEnd(BYTES, "#");
    const name = `probe-${runtime.machine}`;
    writeFileSync(join(folder, name), text);
    const target = runtime.machine as Target;
    const sha256 = digestOf(text).slice(7);
    const file = { name, kind: "executable", target, bytes: BYTES, sha256, mode: "0755" } as const;
    writeFileSync(
      join(folder, MADE_FILE),
      madeText({
        outriderMade: 1,
        name: "probe",
        version,
        outrider: "0",
        kinds: ["executable"],
        files: [file],
        used: [],
      }),
    );
    await this.outrider("environment", "sign", version, "--sign", `${key}.key`, "--version", version);
    await this.outrider("environment", "push", version, "probe");
    return sha256;
  }

  deploy(version: string): Promise<string> {
    return this.outrider("environment", "deploy", "pi", `probe:${version}`);
  }

  /** What the gateway is told, once that is so. */
  told(state: HeartbeatEnvironment["state"]): Promise<HeartbeatEnvironment> {
    return until(`the gateway is told ${state}`, async () => {
      const [executor] = JSON.parse(await this.outrider("executors", "--json"));
      const environment = executor?.heartbeat?.environment as HeartbeatEnvironment | undefined;
      return environment?.state === state ? environment : undefined;
    }, 1_000);
  }

  /** The process that is the agent now. */
  get agent(): number | undefined {
    const file = join(this.cwd, "state/http.json");
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).pid : undefined;
  }

  /** Which executables were started, and as which processes. */
  get starts(): readonly string[] {
    const file = join(this.cwd, "starts");
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  }
}

function withWorld(work: (world: World) => Promise<void>): Promise<void> {
  return withFiles({}, async (cwd) => {
    const gateway = startCli(["gateway", "--port", "0", "--db", "g.db"], {
      cwd,
      env: { OUTRIDER_GATEWAY_TOKEN: TOKEN },
    });
    const url = await urlOf(gateway);
    const line = await lineTo(url);
    const world = new World(cwd, url, line);
    for (const key of ["ours", "others"]) await world.outrider("key", "new", key);
    const agent = startCli(["agent", "--supervise", "--follow"], {
      cwd,
      env: {
        OUTRIDER_GATEWAY: line.url,
        OUTRIDER_TOKEN: TOKEN,
        OUTRIDER_EXECUTOR_ID: "pi",
        OUTRIDER_STATE_DIR: join(cwd, "state"),
        OUTRIDER_TRUST: join(cwd, "ours.pub"),
        OUTRIDER_HEARTBEAT: "1s",
      },
    });
    try {
      await work(world);
    } catch (error) {
      agent.kill("SIGTERM");
      process.stderr.write((await agent.ended).stderr);
      throw error;
    } finally {
      if (agent.child.exitCode === null) agent.kill("SIGTERM");
      await agent.ended;
      line.close();
      gateway.kill("SIGTERM");
      await gateway.ended;
    }
  });
}

const AGENT = `exec '${process.execPath}' '${join(ROOT, "src/cli/main.ts")}' "$@"`;

test("deploy: a device killed in the fetch goes on, stays with what is well, refuses what it does not trust, and goes back", () =>
  withWorld(async (world) => {
    const { line } = world;
    const good = await world.push("1", { does: AGENT });
    const part = join(world.cwd, `state/environment/${good}.part`);
    line.blobBytes = BYTES / 4;
    const first = await until("the installed agent is there", () => world.agent);
    await world.deploy("1");
    await until("some of it is here", () => existsSync(part) && statSync(part).size > 0 || undefined);
    process.kill(first, "SIGKILL");
    line.blobBytes = Infinity;
    const well = await world.told("running");
    const fetched = line.asked.filter((each) => each.includes(good));
    assert.equal(fetched.length, 2, line.asked.join("\n"));
    assert.match(fetched[1]!, / bytes=[1-9]\d*-/);
    assert.deepEqual(world.starts, [`1 ${world.agent}`]);

    const foreign = await world.push("2", { does: AGENT, key: "others" });
    await world.deploy("2");
    assert.match((await world.told("failed")).because!, /signed by key \w+, which is not trusted here/);
    assert.ok(!line.asked.some((each) => each.includes(foreign)));

    await world.push("3", { does: "exit 0" });
    await world.deploy("3");
    const failed = await until("another agent tells that it failed", async () => {
      const told = await world.told("failed");
      return told.because!.includes("tried") ? told : undefined;
    });
    assert.deepEqual([failed.because, failed.reference === well.reference], [
      "it was tried, and was not well",
      false,
    ]);
    // It tells before it says where it answers.
    await until(
      "what was there before answers",
      () => world.starts.at(-1) === `1 ${world.agent}` || undefined,
    );
    assert.deepEqual(world.starts.map((each) => each[0]), ["1", "3", "1"]);
    const folder = join(world.cwd, "state/environment");
    assert.deepEqual(JSON.parse(readFileSync(join(folder, "device.json"), "utf8")), {
      outriderDevice: 1,
      current: good,
    });
    assert.deepEqual(readdirSync(folder).filter((name) => /^[0-9a-f]{64}/.test(name)), [good]);
  }));
