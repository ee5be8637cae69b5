/** A device that fetches another environment: what it takes, over which lines, and what is never put on trial. */
import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { Device } from "../../src/environment/device/device.ts";
import { pushMade } from "../../src/environment/registry/deliver.ts";
import type { RegistryLine } from "../../src/environment/registry/line.ts";
import { renewDevice, type RenewOptions } from "../../src/environment/registry/renew.ts";
import { verifying } from "../../src/cli/run/environments.ts";
import { madeText } from "../../src/environment/made.ts";
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
  { line, disk, ...more }: { readonly line: RegistryLine; readonly disk: LosingDisk } & Partial<RenewOptions>,
): Promise<string> {
  const device = new Device("/d", disk);
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
    const verify = (text: string, signatures: readonly string[]) => {
      told.push(JSON.parse(text).name, ...signatures);
      return Promise.reject(new Error("signed by another key"));
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
