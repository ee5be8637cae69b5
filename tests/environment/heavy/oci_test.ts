/**
 * Tries images of environments: built by the command of packages that Debian has signed, looked through by others' programs, and
 * run read-only, without capabilities, as a user without rights. Runs once, on Node (tools/test.ts).
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { build } from "../../../tools/build.ts";
import { CACHE } from "../../../tools/compile.ts";
import { ROOT } from "../../rig.ts";
import { programPath, testWith } from "../../system.ts";
import { serveApt } from "./apt_mirror.ts";
import { ARM64_PROCESSOR } from "./vm_rig.ts";

const folder: string = realpathSync(mkdtempSync(join(tmpdir(), "outrider-images-")));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const LIMIT_MS = 300_000;

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Runs a program to its end. */
function run(
  [program, ...args]: readonly string[],
  { cwd = folder, env = {} }: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> {
  return new Promise((done) =>
    execFile(program!, args, {
      cwd,
      env: { ...process.env, ...env },
      timeout: LIMIT_MS,
      maxBuffer: 64 * 1024 ** 2,
    }, (error, stdout, stderr) => {
      const { code } = (error ?? { code: 0 }) as { readonly code?: number | string };
      done({ code: typeof code === "number" ? code : -1, output: `${stdout}${stderr}` });
    })
  );
}

async function ran(command: readonly string[], options: Parameters<typeof run>[1] = {}): Promise<string> {
  const { code, output } = await run(command, options);
  assert.equal(code, 0, `${command.join(" ")}\n${output}`);
  return output;
}

const PACKAGES = ["curl", "iputils-ping"];

/** What tasks find in there, and what they may not do. */
const TASKS = `import { readFileSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
const tried = (fn) => { try { fn(); return "could"; } catch (error) { return error.code ?? error.status ?? error.message; } };
export async function tell(ctx) {
  const status = readFileSync("/proc/self/status", "utf8");
  const url = process.env.PROBE_URL;
  return {
    arch: process.arch,
    user: process.getuid(),
    capabilities: /CapEff:\\s*(\\w+)/.exec(status)[1],
    root: tried(() => writeFileSync("/etc/x", "x")),
    program: tried(() => writeFileSync("/usr/bin/outrider", "x")),
    state: tried(() => writeFileSync("/var/lib/outrider/x", "x")),
    curl: execFileSync("curl", ["--version"], { encoding: "utf8" }).split(" ")[0],
    untrusted: url ? tried(() => execFileSync("curl", ["-sS", url], { stdio: "pipe" })) : null,
    trusted: url ? execFileSync("curl", ["-sS", "--cacert", "/tmp/ca.pem", url], { encoding: "utf8" }) : null,
    fetched: url ? await fetch(url).then((response) => response.text()) : null,
  };
}
`;

interface Built {
  readonly path: string;
  readonly record: { readonly files: readonly { readonly name: string; readonly digest?: string }[] };
}

let built: Promise<Built> | undefined;

/** The image of two architectures, made when the first test asks for it. */
function probe(): Promise<Built> {
  return built ??= buildIn("first", { greeting: "one" });
}

async function buildIn(name: string, params: object, lock?: string): Promise<Built> {
  const path = join(folder, name);
  mkdirSync(path);
  if (lock !== undefined) copyFileSync(lock, join(path, "environment.lock.json"));
  const environment = {
    outriderEnvironment: 1,
    name: "probe",
    version: "1.0",
    targets: ["linux-x64", "linux-arm64"],
    pipeline: { from: "file", path: "pipeline.json" },
    requires: { commands: ["curl", "ping"], packages: { debian: PACKAGES } },
  };
  const tasks = { tell: { run: { module: "./tasks.mjs", export: "tell" }, params } };
  writeFileSync(join(path, "environment.json"), JSON.stringify(environment));
  writeFileSync(join(path, "pipeline.json"), JSON.stringify({ outrider: 1, name: "told", tasks }));
  writeFileSync(join(path, "tasks.mjs"), TASKS);
  await buildBy(SOURCES, path);
  return { path, record: JSON.parse(readFileSync(join(path, "out/environment.made.json"), "utf8")) };
}

const SOURCES: readonly string[] = [process.execPath, join(ROOT, "src/cli/main.ts")];

/** Builds the image of the environment in a folder. */
async function buildBy(builder: readonly string[], cwd: string): Promise<void> {
  const mirror = await serveApt(["ca-certificates", "libc6", ...PACKAGES]);
  try {
    const command = [...builder, "environment", "build", "environment.json", "--kind", "oci"];
    await ran([...command, "-o", "out", "--cache", CACHE], {
      cwd,
      env: { OUTRIDER_DEBIAN_MIRROR: mirror.url },
    });
  } finally {
    await mirror.close();
  }
}

/** The files of an image of one architecture, by others' programs. */
async function unpackedImage(architecture: string): Promise<string> {
  const { path } = await probe();
  const image = join(folder, architecture);
  const bundle = `${image}-bundle`;
  await ran([
    "skopeo",
    "copy",
    "-q",
    `--override-arch=${architecture}`,
    `oci:${path}/out/probe.oci:1.0`,
    `oci:${image}:1.0`,
  ]);
  await ran(["umoci", "unpack", "--image", `${image}:1.0`, bundle]);
  copyFileSync(join(bundle, "config.json"), join(bundle, "made.json"));
  return bundle;
}

const bundles: Map<string, Promise<string>> = new Map();

function bundleOf(architecture: string): Promise<string> {
  const found = bundles.get(architecture) ?? unpackedImage(architecture);
  bundles.set(architecture, found);
  return found;
}

/** The value of the task, out of what the run said at its end. */
function toldIn(state: string): Record<string, unknown> {
  const lines = execFileSync("grep", ["-rhao", '"value":"{[^}]*}"\\|"value":{[^}]*}', state], {
    encoding: "utf8",
  });
  const [first] = lines.split("\n");
  const text = first!.slice('"value":'.length);
  return JSON.parse(text.startsWith('"') ? JSON.parse(text) : text);
}

testWith(
  ["skopeo", "umoci"],
  "the image of two architectures is what others take for one, whole",
  async () => {
    const { path, record } = await probe();
    const index = record.files.find(({ name }) => name === "probe.oci/index.json");
    const layout = `oci:${path}/out/probe.oci:1.0`;
    const raw = JSON.parse(await ran(["skopeo", "inspect", "--raw", layout]));
    assert.deepEqual(
      raw.manifests.map((each: { platform: { architecture: string } }) => each.platform.architecture),
      [
        "amd64",
        "arm64",
      ],
    );
    // Copied, it is hashed anew, layer by layer.
    await ran(["skopeo", "copy", "-q", "--all", layout, `oci:${folder}/copied:1.0`]);
    const copied = JSON.parse(readFileSync(`${folder}/copied/index.json`, "utf8"));
    assert.equal(copied.manifests[0].digest, index?.digest);
  },
);

testWith(
  ["skopeo", "umoci"],
  "the same environment gives the same image in another folder; another pipeline, one other layer",
  async () => {
    const { path, record } = await probe();
    const lock = join(path, "environment.lock.json");
    const again = await buildIn("second", { greeting: "one" }, lock);
    assert.deepEqual(again.record, record);
    const changed = await buildIn("third", { greeting: "two" }, lock);
    const blobs = ({ record }: Built) =>
      record.files.map(({ name }) => name).filter((name) => name.includes("/blobs/"));
    const shared = blobs(changed).filter((name) => blobs(again).includes(name));
    // Of each architecture: the layer, the configuration, the manifest; the layer is the same for both. And the index.
    assert.equal(blobs(again).length - shared.length, 6);
  },
);

testWith(
  ["skopeo", "umoci", "runc", "openssl"],
  "under runc, read-only and without rights, a pipeline's result is read, and TLS works",
  async () => {
    const bundle = await bundleOf("amd64");
    const key = join(folder, "key.pem");
    const certificate = join(folder, "ca.pem");
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    await ran([
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-keyout",
      key,
      "-out",
      certificate,
      ...subject,
    ]);
    const server = createServer(
      { key: readFileSync(key), cert: readFileSync(certificate) },
      (_, response) => response.end("by TLS"),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    try {
      const state = stateFolder("runc-state");
      const config = JSON.parse(readFileSync(join(bundle, "made.json"), "utf8"));
      config.root.readonly = true;
      config.process.terminal = false;
      for (const set of Object.keys(config.process.capabilities)) config.process.capabilities[set] = [];
      config.process.env.push(`PROBE_URL=${url}`, "NODE_EXTRA_CA_CERTS=/tmp/ca.pem");
      config.linux.namespaces = config.linux.namespaces.filter(({ type }: { type: string }) =>
        type !== "network"
      );
      config.mounts = config.mounts.filter(({ destination }: { destination: string }) =>
        destination !== "/var/lib/outrider"
      );
      config.mounts.push(
        { destination: "/var/lib/outrider", type: "bind", source: state, options: ["bind", "rw"] },
        { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "mode=1777"] },
        { destination: "/tmp/ca.pem", type: "bind", source: certificate, options: ["bind", "ro"] },
      );
      writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
      await ran(["runc", "run", `outrider-${process.pid}`], { cwd: bundle });
      assert.deepEqual(toldIn(state), {
        arch: "x64",
        user: 65532,
        capabilities: "0000000000000000",
        root: "EROFS",
        program: "EACCES",
        state: "could",
        curl: "curl",
        // What curl says of a certificate that none of those in the image vouches for: it has read them.
        untrusted: 60,
        trusted: "by TLS",
        fetched: "by TLS",
      });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  },
);

testWith(
  ["skopeo", "umoci", "bwrap"],
  "under bubblewrap it runs read-only, as the same user without rights",
  async () => {
    const bundle = await bundleOf("amd64");
    const state = stateFolder("bwrap-state");
    // Its user is another number outside.
    chmodSync(state, 0o777);
    const { env, args } = processOf(bundle);
    const sandbox = [
      "--ro-bind",
      `${bundle}/rootfs`,
      "/",
      "--bind",
      state,
      "/var/lib/outrider",
      "--tmpfs",
      "/tmp",
      "--proc",
      "/proc",
      "--dev",
      "/dev",
    ];
    const alone = [
      "--unshare-all",
      "--uid",
      "65532",
      "--gid",
      "65532",
      "--cap-drop",
      "ALL",
      "--clearenv",
      "--chdir",
      "/var/lib/outrider",
    ];
    const variables = env.flatMap((each) => ["--setenv", ...each.split(/=(.*)/s).slice(0, 2)]);
    await ran([programPath("bwrap")!, ...sandbox, ...alone, ...variables, ...args]);
    const { arch, user, capabilities, root } = toldIn(state);
    assert.deepEqual({ arch, user, capabilities, root }, {
      arch: "x64",
      user: 65532,
      capabilities: "0000000000000000",
      root: "EROFS",
    });
  },
);

testWith(
  ["skopeo", "umoci", "qemu-aarch64-static"],
  "the image for arm64 starts on its processor, and finds its libraries",
  async () => {
    const bundle = await bundleOf("arm64");
    const emulated = ["qemu-aarch64-static", "-cpu", ARM64_PROCESSOR, "-L", `${bundle}/rootfs`];
    assert.match(
      await ran([...emulated, `${bundle}/rootfs/usr/bin/outrider`, "--version"]),
      /^\d+\.\d+\.\d+\n$/,
    );
    assert.match(await ran([...emulated, `${bundle}/rootfs/usr/bin/curl`, "--version"]), /^curl 8/);
  },
);

testWith(
  ["skopeo", "umoci"],
  "an executable, and the package, make the same image as the sources",
  async () => {
    const bundle = await bundleOf("amd64");
    const { path } = await probe();
    const lock = join(path, "environment.lock.json");
    const dist = join(folder, "dist");
    await build(dist);
    const builders = [SOURCES, [join(bundle, "rootfs/usr/bin/outrider")], [
      process.execPath,
      join(dist, "cli.js"),
    ]];
    const records: string[] = [];
    for (const [at, builder] of builders.entries()) {
      const made = join(folder, `by-${at}`);
      mkdirSync(made);
      copyFileSync(lock, join(made, "environment.lock.json"));
      // The pipeline comes from the gateway: what bundles code is not in an executable.
      const { pipeline: _, ...environment } = JSON.parse(
        readFileSync(join(path, "environment.json"), "utf8"),
      );
      writeFileSync(
        join(made, "environment.json"),
        JSON.stringify({ ...environment, targets: ["linux-x64"] }),
      );
      await buildBy(builder, made);
      records.push(readFileSync(join(made, "out/environment.made.json"), "utf8"));
    }
    assert.equal(records[1], records[0]);
    assert.equal(records[2], records[0]);
  },
);

/** A folder that the user of the image may write to. */
function stateFolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  chownSync(path, 65532, 65532);
  return path;
}

function processOf(bundle: string): { readonly env: readonly string[]; readonly args: readonly string[] } {
  return JSON.parse(readFileSync(join(bundle, "made.json"), "utf8")).process;
}
