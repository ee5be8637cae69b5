/**
 * Holds an installer that downloads its program to what it promises of the network: bytes once, however often the line is cut,
 * nothing that is not the program, and the token to its gateway alone and to nobody's list of processes.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { ROOT, testWith } from "../../system.ts";
import { installer, program, TARGET, World } from "./installer_rig.ts";

const TOKEN = "a-token-that-nobody-sees";
const SIZE = 2_000_000;
const PROGRAM = `${program("1.0.0")}#${"x".repeat(SIZE)}\n`;
const CONTENTS = new TextEncoder().encode(PROGRAM);

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What a request gets, of one that is counted. */
type Answer = (request: http.IncomingMessage, response: http.ServerResponse, count: number) => void;

interface Gateway {
  readonly url: string;
  /** Path and token of each request. */
  readonly seen: { path: string; token: string | undefined }[];
  readonly sent: () => number;
}

async function withGateway(answer: Answer, work: (gateway: Gateway) => Promise<void>): Promise<void> {
  let sent = 0;
  const seen: Gateway["seen"] = [];
  const server = http.createServer((request, response) => {
    seen.push({ path: request.url!, token: request.headers.authorization });
    const write = response.write.bind(response);
    response.write = ((chunk: Uint8Array) => {
      sent += chunk.length;
      return write(chunk);
    }) as typeof response.write;
    answer(request, response, seen.length);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    await work({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, sent: () => sent });
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

/** The bytes from where they were asked for, cut off after so many. */
function bytesFrom(request: http.IncomingMessage, response: http.ServerResponse, most = Infinity): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  response.writeHead(request.headers.range === undefined ? 200 : 206, {
    "content-length": CONTENTS.length - from,
    "content-range": `bytes ${from}-${CONTENTS.length - 1}/${CONTENTS.length}`,
  });
  response.write(CONTENTS.subarray(from, Math.min(CONTENTS.length, from + most)));
  if (from + most >= CONTENTS.length) response.end();
  else setTimeout(() => response.destroy(), 20);
}

/** Runs an installer that knows its gateway, and watches the lists of processes meanwhile. */
async function installed(world: World, url: string, { shell = ["sh"], token = TOKEN, env = {} }: {
  readonly shell?: readonly string[];
  readonly token?: string;
  readonly env?: NodeJS.ProcessEnv;
} = {}): Promise<{ code: number | null; said: string; shown: boolean }> {
  const child = world.start([...shell, "/t/v1.sh", "--gateway", url], { OUTRIDER_TOKEN: token, ...env });
  let [said, shown] = ["", false];
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (text) => said += text);
  const timer = setInterval(() => shown ||= showsToken(), 5);
  const code = await new Promise<number | null>((settle) => child.on("close", settle));
  clearInterval(timer);
  return { code, said, shown: shown || said.includes(TOKEN) };
}

/** Whether any process of this machine has the token among its arguments. */
function showsToken(): boolean {
  return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).some((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(TOKEN);
    } catch {
      return false;
    }
  });
}

/** What downloads, and where it is not as all others are. */
const DOWNLOADERS = ["curl", "wget"] as const;

function withWorlds(
  name: string,
  work: (world: World, shell: readonly string[], downloader: string) => Promise<void>,
): void {
  testWith([ROOT, "busybox", "curl"], `installer: ${name}`, async () => {
    for (const downloader of DOWNLOADERS) {
      const world = new World();
      try {
        world.put("v1.sh", installer("1.0.0", PROGRAM));
        // Without curl there is wget: its name alone is hidden.
        const hide = "mount --bind /t/none /usr/bin/curl && exec sh";
        world.put("none", "");
        fs.chmodSync(join(world.path, "t/none"), 0o644);
        world.put("none.sh", `${hide} "$@"\n`);
        await work(world, downloader === "curl" ? ["sh"] : ["sh", "/t/none.sh"], downloader);
      } finally {
        world.remove();
      }
    }
  });
}

withWorlds(
  "a line that is cut ten times costs each byte once, and shows no token",
  async (world, shell, downloader) => {
    const piece = Math.ceil(CONTENTS.length / 10.5);
    await withGateway((request, response) => bytesFrom(request, response, piece), async (gateway) => {
      const { code, said, shown } = await installed(world, `${gateway.url}/`, { shell });
      assert.equal(code, 0, said);
      assert.equal(shown, false, downloader);
      assert.ok(gateway.seen.length >= 10, `${gateway.seen.length} requests`);
      assert.ok(gateway.sent() <= CONTENTS.length * 1.05, `${gateway.sent()} bytes of ${CONTENTS.length}`);
      const [{ path, token }] = gateway.seen as [Gateway["seen"][0]];
      assert.match(path, /^\/v2\/probe\/blobs\/sha256:[0-9a-f]{64}$/);
      assert.equal(token, `Bearer ${TOKEN}`);
      assert.match(world.run(["/usr/local/bin/outrider", "--version"]).stdout, /^1\.0\.0/);
      assert.equal(world.has("opt/outrider/download"), false);
      // What is there is not asked for again.
      const asked = gateway.seen.length;
      assert.equal((await installed(world, gateway.url, { shell })).code, 0);
      assert.equal(gateway.seen.length, asked);
      // Nor is the program of another environment, if it is the same: only what is inside is new.
      const [sha256, bytes] = [hashOf(CONTENTS), CONTENTS.length];
      const targets = [{ target: TARGET, id: "another", sha256, bytes }];
      world.put("v1.sh", installer("1.0.0", PROGRAM, { targets, carried: '{"new":1}\n' }));
      assert.equal((await installed(world, gateway.url, { shell })).code, 0);
      assert.equal(gateway.seen.length, asked);
      assert.equal(world.read("opt/outrider/current/environment.json"), '{"new":1}\n');
      assert.equal(hashOf(fs.readFileSync(join(world.path, "opt/outrider/current/outrider"))), sha256);
    });
  },
);

withWorlds("bytes that are others, or more, are refused and kept nowhere", async (world, shell) => {
  const before = world.list();
  const others: Answer = (request, response) => {
    request.resume();
    response.writeHead(200, { "content-length": CONTENTS.length });
    response.write(CONTENTS.map((byte, at) => at === 100 ? byte ^ 1 : byte));
    response.end();
  };
  const endless: Answer = (_, response) => {
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write(new Uint8Array(100_000)));
      if (!response.destroyed) response.once("drain", more);
    };
    more();
  };
  for (const answer of [others, endless]) {
    await withGateway(answer, async (gateway) => {
      const { code, said } = await installed(world, gateway.url, { shell });
      assert.equal(code, 1);
      assert.match(said, /What came is not what was promised|can't be downloaded/);
      assert.ok(gateway.sent() < 100e6, `${gateway.sent()} bytes`);
      assert.deepEqual(world.list(), before);
    });
  }
});

withWorlds("a redirect to somebody else gets no token", async (world, shell) => {
  await withGateway((request, response) => bytesFrom(request, response), async (other) => {
    const redirect: Answer = (_, response) => {
      response.writeHead(307, { location: `${other.url}/elsewhere` });
      response.end();
    };
    await withGateway(redirect, async (gateway) => {
      const { code, said } = await installed(world, gateway.url, { shell });
      assert.equal(code, 1, said);
      assert.deepEqual(other.seen, []);
    });
  });
});

withWorlds(
  "a server that begins anew, or refuses, is asked no more than some times",
  async (world, shell) => {
    const anew: Answer = (_, response) => {
      response.writeHead(200, { "content-length": CONTENTS.length });
      response.write(CONTENTS);
      response.end();
    };
    let cut = true;
    const once: Answer = (request, response, count) => {
      if (cut && count === 1) bytesFrom(request, response, 1_000_000);
      else anew(request, response, count);
    };
    await withGateway(once, async (gateway) => {
      const { code, said } = await installed(world, gateway.url, { shell });
      assert.equal(code, 0, said);
    });
    cut = false;
    world.run(["sh", "/t/v1.sh", "--purge"]);
    await withGateway((_, response) => void response.writeHead(401).end(), async (gateway) => {
      const { code, said } = await installed(world, gateway.url, { shell });
      assert.equal(code, 1);
      assert.match(said, /can't be downloaded from http.*What came stays/);
      assert.equal(gateway.seen.length, 1);
    });
  },
);

testWith([ROOT, "busybox"], "installer: a wget that would show the token is not asked to", async () => {
  const world = new World();
  try {
    world.put("v1.sh", installer("1.0.0", PROGRAM));
    const before = world.list();
    await withGateway((request, response) => bytesFrom(request, response), async (gateway) => {
      const refused = await installed(world, gateway.url, { shell: ["/bb/busybox", "sh"] });
      assert.deepEqual([refused.code, refused.shown, gateway.seen.length], [1, false, 0]);
      assert.match(refused.said, /This wget would show the token to everybody here: install curl/);
      assert.deepEqual(world.list(), before);
      const without = await installed(world, gateway.url, { shell: ["/bb/busybox", "sh"], token: "" });
      assert.equal(without.code, 0, without.said);
    });
  } finally {
    world.remove();
  }
});
