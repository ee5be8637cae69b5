/** A device that fetches another environment: what it takes, over which lines, and what is never put on trial. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { Device } from "../../src/environment/device/device.ts";
import { pushMade } from "../../src/environment/registry/deliver.ts";
import type { RegistryLine } from "../../src/environment/registry/line.ts";
import { renewDevice, type RenewOptions } from "../../src/environment/registry/renew.ts";
import { verifying } from "../../src/cli/run/environments.ts";
import { MADE_FILE, madeText } from "../../src/environment/made.ts";
import { PART_BYTES, partId, partList, partsIn, stretchesOf } from "../../src/environment/parts.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { commentOf } from "../../src/trust/keys.ts";
import { signedHash } from "../../src/trust/minisign.ts";
import { makeSecretKey } from "../../src/trust/secret_key.ts";
import { SEED } from "../seed.ts";
import { bytesOf, digestOf, type Registry, withRegistry } from "../gateway/registry_rig.ts";
import { withFiles } from "../rig.ts";
import { seeded } from "../uplink/rig.ts";
import { Cut, LosingDisk } from "./losing_disk.ts";
import { type Between, buildInto, counted, cutAfter, delivery, lineTo } from "./registry_rig.ts";

const ID = digestOf(bytesOf(300_000)).slice(7);

/** With an environment in a registry: its reference there. */
const pushed = (work: (registry: Registry, reference: string) => Promise<void>) => () =>
  withRegistry((registry) =>
    withFiles({}, async (folder) => {
      buildInto(join(folder, "."));
      const { digest } = await pushMade(delivery(lineTo(registry), folder));
      await work(registry, `probe@${digest}`);
    })
  );

function renew(
  reference: string,
  { line, disk, device = new Device("/d", disk), ...more }:
    & { readonly line: RegistryLine; readonly disk: LosingDisk }
    & Partial<RenewOptions>,
): Promise<string> {
  return renewDevice(reference, { line, device, target: "linux-x64", progress: () => {}, ...more });
}

test(
  "renewal: over a line with ten cuts a device sends for next to nothing twice, and has it on trial then",
  pushed(async (registry, reference) => {
    const random = seeded(SEED);
    let [cuts, came] = [0, 0];
    const between: Between = async (request, answer) => {
      const response = await answer();
      if (request.method !== "GET" || !response.body) return response;
      const next = cuts++ < 10 ? cutAfter(response, 1 + Math.floor(random() * 60_000)) : response;
      return new Response(counted(next.body!, (bytes) => came += bytes), next);
    };
    const disk = new LosingDisk();
    const seen: number[] = [];
    const id = await renew(reference, {
      line: lineTo(registry, { between }),
      disk,
      progress: (at) => seen.push(at),
    });
    assert.equal(id, ID);
    assert.ok(cuts > 10 && came <= 300_000 * 1.05, `${came} bytes, ${cuts} answers`);
    assert.deepEqual([seen[0], seen.at(-1)], [0, 300_000]);
    const start = await new Device("/d", disk).begin();
    assert.deepEqual([start?.id, start?.trial], [ID, true]);
  }),
);

/** Pushes an environment with an executable that differs from the first one's in its second part and in its last byte. */
async function pushNext(registry: Registry): Promise<{ readonly reference: string; readonly id: string }> {
  return await withFiles({}, async (folder) => {
    const record = buildInto(join(folder, "."));
    const bytes = bytesOf(300_000).map((byte, at) =>
      at === PART_BYTES + 7 || at === 299_999 ? byte ^ 1 : byte
    );
    const id = digestOf(bytes).slice(7);
    const files = record.files.map((file) =>
      file.name === "probe-linux-x64" ? { ...file, sha256: id } : file
    );
    writeFileSync(join(folder, "probe-linux-x64"), bytes);
    writeFileSync(join(folder, MADE_FILE), madeText({ ...record, files }));
    const { digest } = await pushMade(delivery(lineTo(registry), folder));
    return { reference: `probe@${digest}`, id };
  });
}

/** What has changed, and both ends of it are in: two of five parts. */
const CHANGED = PART_BYTES + 300_000 % PART_BYTES;

/** Answers with how many bytes came of a blob, whatever else was asked for. */
function counting(id: string): { readonly between: Between; readonly came: () => number } {
  let came = 0;
  return {
    came: () => came,
    between: async (request, answer) => {
      const response = await answer();
      if (!request.url.includes(id) || !response.body) return response;
      return new Response(counted(response.body, (bytes) => came += bytes), response);
    },
  };
}

test(
  "renewal: of another executable a device fetches the parts that it has in none, and all where it has nothing",
  pushed(async (registry, reference) => {
    const next = await pushNext(registry);
    const old = new LosingDisk();
    await renew(reference, { line: lineTo(registry), disk: old });
    const device = new Device("/d", old);
    await device.begin();
    await device.foundWell();
    const installed = new LosingDisk();
    await installed.append("/opt/outrider", one(bytesOf(300_000)));
    for (
      const [disk, bytes] of [[old, CHANGED], [installed, CHANGED], [new LosingDisk(), 300_000]] as const
    ) {
      const { between, came } = counting(next.id);
      const device = new Device("/d", disk, "/opt/outrider");
      const seen: number[] = [];
      await renew(next.reference, {
        line: lineTo(registry, { between }),
        disk,
        device,
        progress: (at) => seen.push(at),
      });
      assert.equal(came(), bytes);
      assert.deepEqual([seen[0], seen.at(-1)], [0, 300_000]);
      assert.equal((await device.begin())?.id, next.id);
      assert.equal(digestOf(disk.bytesOf(`/d/${next.id}/outrider`)!).slice(7), next.id);
    }
  }),
);

test(
  "renewal: in the midst of a part that is here it goes on there; a registry that sends all or more is read no further",
  pushed(async (registry) => {
    const next = await pushNext(registry);
    const whole: Between = async (request, answer) =>
      request.url.includes(next.id) ? await registry.app.request(request.url) : await answer();
    const disk = new LosingDisk();
    await disk.append("/opt/outrider", one(bytesOf(300_000)));
    await disk.append(`/d/${next.id}.part`, one(bytesOf(1000)));
    const device = new Device("/d", disk, "/opt/outrider");
    await renew(next.reference, { line: lineTo(registry, { between: whole }), disk, device });
    assert.equal(digestOf(disk.bytesOf(`/d/${next.id}/outrider`)!).slice(7), next.id);
    const more: Between = async (_, answer) => {
      const response = await answer();
      if (response.status !== 206) return response;
      const headers = new Headers(response.headers);
      headers.delete("content-length");
      return new Response(bytesOf(300_000), { status: 206, headers });
    };
    const again = new LosingDisk();
    await again.append("/opt/outrider", one(bytesOf(300_000)));
    await assert.rejects(
      renew(next.reference, {
        line: lineTo(registry, { between: more }),
        disk: again,
        device: new Device("/d", again, "/opt/outrider"),
      }),
      /More comes of sha256:/,
    );
  }),
);

test(
  "renewal: where what was here turns out to be spoilt, all of it is fetched",
  pushed(async (registry) => {
    const next = await pushNext(registry);
    class Forgetful extends LosingDisk {
      reads = 0;
      override async read(path: string, at: number, most: number) {
        const bytes = await super.read(path, at, most);
        // First it is looked at, then it is read to be copied.
        return ++this.reads > 2 ? bytes.fill(0) : bytes;
      }
    }
    const disk = new Forgetful();
    await disk.append("/opt/outrider", one(bytesOf(300_000)));
    const { between, came } = counting(next.id);
    const device = new Device("/d", disk, "/opt/outrider");
    await renew(next.reference, { line: lineTo(registry, { between }), disk, device });
    assert.equal(came(), CHANGED + 300_000);
    assert.equal(digestOf(disk.bytesOf(`/d/${next.id}/outrider`)!).slice(7), next.id);
  }),
);

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

test("parts: a list is that of a file of its size, or none; what lies behind each other is one stretch", async () => {
  const bytes = bytesOf(PART_BYTES * 3 + 1);
  const list = await partList(bytes.length, (at, most) => Promise.resolve(bytes.slice(at, at + most)));
  const parts = partsIn(list, bytes.length);
  assert.equal(parts.length, 4);
  assert.equal(parts[3], await partId(bytes.slice(-1)));
  assert.deepEqual(partsIn(list, bytes.length + PART_BYTES), []);
  assert.deepEqual(partsIn(list.slice(1), bytes.length), []);
  const here = new Map([
    [parts[0]!, { path: "a", at: 7 * PART_BYTES }],
    [parts[1]!, { path: "a", at: 8 * PART_BYTES }],
    [parts[2]!, { path: "b", at: 9 * PART_BYTES }],
  ]);
  const [second, third, end] = [2, 3].map((count) => count * PART_BYTES).concat(bytes.length);
  assert.deepEqual(stretchesOf(bytes.length, parts, here), [
    { from: 0, to: second, place: { path: "a", at: 7 * PART_BYTES } },
    { from: second, to: third, place: { path: "b", at: 9 * PART_BYTES } },
    { from: third, to: end },
  ]);
  assert.deepEqual(stretchesOf(bytes.length, [], here), [{ from: 0, to: end }]);
});

test(
  "renewal: what is not signed as it is to be, or is for another machine, is refused before it is fetched",
  pushed(async (registry, reference) => {
    const asked: string[] = [];
    const line = lineTo(registry, {
      between: (request, answer) => {
        asked.push(request.url);
        return answer();
      },
    });
    const disk = new LosingDisk();
    const told: string[] = [];
    const verify = async (text: string, signatures: AsyncIterable<string>) => {
      told.push(JSON.parse(text).name, ...await Array.fromAsync(signatures));
      throw new Error("signed by another key");
    };
    await assert.rejects(renew(reference, { line, disk, verify }), /signed by another key/);
    assert.deepEqual(told, ["probe", "untrusted comment: x\n"]);
    await assert.rejects(
      renew(reference, { line, disk, target: "windows-arm64" }),
      /no executable for windows-arm64/,
    );
    assert.ok(!asked.some((url) => url.includes(ID)));
    const none = `probe@${digestOf("none")}`;
    await assert.rejects(renew(none, { line, disk }), /no environment at the gateway/);
    assert.deepEqual(disk.paths(), []);
  }),
);

test(
  "renewal: other bytes are not put on trial, and are not kept",
  pushed(async (registry, reference) => {
    const line = lineTo(registry, {
      between: async (request, answer) => {
        const response = await answer();
        return request.url.includes(ID) ? new Response(new Uint8Array(300_000)) : response;
      },
    });
    const disk = new LosingDisk();
    await assert.rejects(renew(reference, { line, disk }), /is not the environment that was asked for/);
    assert.equal(await new Device("/d", disk).begin(), undefined);
    assert.ok(!disk.paths().some((path) => path.includes(ID)));
  }),
);

test(
  "renewal: cut off in any step, a device starts what it had, and the next try goes on",
  pushed(async (registry, reference) => {
    const line = lineTo(registry);
    const whole = new LosingDisk();
    await renew(reference, { line, disk: whole });
    for (let cutBefore = 0; cutBefore < whole.steps; cutBefore++) {
      for (const half of [false, true]) {
        const disk = new LosingDisk({ cutBefore, half });
        await assert.rejects(renew(reference, { line, disk }), (error) => error instanceof Error);
        const after = disk.again();
        const start = await new Device("/d", after).begin();
        assert.ok(start === undefined || start.id === ID && start.trial, `${cutBefore}`);
        await renew(reference, { line, disk: after });
        assert.equal((await new Device("/d", after).begin())?.id, ID);
      }
    }
    assert.ok(Cut.name);
  }),
);

test("renewal: with keys that are trusted, a record is taken signed by one, and none that is older", () =>
  withFiles({}, async (folder) => {
    const [ours, other] = await Promise.all([makeSecretKey(), makeSecretKey()]);
    const verify = verifying(ours.publicKey.text, { folder: join(folder, "environment"), runtime });
    const take = (text: string, ...signatures: string[]) => verify(text, signatures);
    const signed = async (text: string, version: number, key = ours) =>
      await key.sign(signedHash(new TextEncoder().encode(text)), commentOf({ version }));
    const [record, next] = ["1.0.0", "1.1.0"].map((version) =>
      madeText({ outriderMade: 1, name: "probe", version, outrider: "0", kinds: [], files: [], used: [] })
    ) as [string, string];
    await take(next, await signed(next, 7));
    await take(next, await signed(next, 7));
    const refused: [RegExp, string, string?][] = [
      [/probe is not signed, and OUTRIDER_TRUST asks for it/, next],
      [/signed by key .*, which is not trusted here/, next, await signed(next, 8, other)],
      [/is not what key .* has signed/, next, await signed(record, 8)],
      [/Version 6 of environment probe is older than version 7/, record, await signed(record, 6)],
      [
        /Version 7 of environment probe was taken before with other contents/,
        record,
        await signed(record, 7),
      ],
    ];
    for (const [message, text, ...signatures] of refused) {
      await assert.rejects(take(text, ...signatures.flatMap((each) => each ?? [])), {
        code: "OUTRIDER_TRUST",
        message,
      });
    }
    await take(record, await signed(record, 8));
  }));
