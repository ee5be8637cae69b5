/** Holds installers to what is put into them: the same on every runtime, and whatever it is, nothing but text there. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { scriptBuilder } from "../../src/environment/builders/script.ts";
import type { BuildOutput } from "../../src/environment/builders/builder.ts";
import type { EnvironmentDocument } from "../../src/environment/document/schema.ts";
import { installerText } from "../../src/environment/install/script.ts";
import { launchdList, openrcScript, systemdUnit } from "../../src/environment/install/units.ts";
import type { MadeFile } from "../../src/environment/made.ts";
import { readBytes } from "../../src/runtime/disk.ts";
import { embeddedTexts } from "../../tools/build_install.ts";
import { withFiles } from "../rig.ts";
import { documentOf, inputOf } from "./builder_rig.ts";

test("the modules that hold scripts are what the scripts beside them say", () => {
  for (const { path, text } of embeddedTexts()) {
    assert.ok(
      readFileSync(path, "utf8") === text,
      `${path.pathname} is not current: run \`npm run build:install\` and commit it`,
    );
  }
});

/** Builds the script of an environment whose programs are two small files. */
/** What an environment may say that means something to a shell, or to who fills a script. */
const ODD = "'$(x)`@TARGETS@\\";

async function built(document: Partial<EnvironmentDocument> = {}, odd = ODD) {
  const files = { "x64": "a program", "arm64": "another", "settings.json": '{"it\'s": "@NAME@"}' };
  const written = new Map<string, { contents: string; mode: number | undefined }>();
  await withFiles(files, async (folder) => {
    const environment = documentOf({ targets: ["linux-x64", "linux-arm64"], ...document });
    const input = inputOf(environment, folder, {
      executable: (target) => Promise.resolve(join(folder, target.replace(/^\w+-/, ""))),
      carried: () => Promise.resolve(`${JSON.stringify({ outriderCarried: 1, odd })}\n`),
    });
    const out: BuildOutput = {
      async file(name, from, { mode } = {}) {
        const contents = "path" in from ? await readBytes(from.path, 1000) : "text" in from ? from.text : "";
        written.set(name, {
          contents: new TextDecoder().decode(new TextEncoder().encode(String(contents))),
          mode,
        });
        const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        const made: MadeFile = { name, kind: "script", bytes: bytes.length, sha256 };
        return made;
      },
      used: () => {},
    };
    await scriptBuilder.build(input, out);
  });
  return written;
}

test("an installer knows its programs by their hashes, and a version by all that is in it", async () => {
  const files = { "/srv/it's/settings.json": { from: "settings.json", mode: "0600" } };
  const written = await built({ version: "1.2", files, secrets: ["KEY"] });
  assert.deepEqual([...written].map(([name, { mode }]) => [name, mode]), [
    ["outrider-linux-x64", 0o755],
    ["outrider-linux-arm64", 0o755],
    ["probe-install.sh", 0o755],
  ]);
  const text = written.get("probe-install.sh")!.contents;
  const [, x64, , bytes] = /^ *TARGETS='linux-x64 (\w{16}) (\w{64}) (\d+)$/m.exec(text) ?? [];
  assert.equal(bytes, "9");
  assert.match(text, /^ *VERSION='1\.2'$/m);
  assert.match(text, /^ *SECRETS='KEY'$/m);
  assert.ok(text.includes(`\n{"outriderCarried":1,"odd":"'$(x)\`@TARGETS@\\\\"}\nOUTRIDER_CARRIED\n`));
  assert.ok(text.includes(`place 0600 "$root"'/srv/it'\\''s/settings.json'\n`), text.slice(0, 100));
  assert.doesNotMatch(
    text,
    /^[^#\n]*@(NAME|VERSION|TARGETS|PACKAGES|DEVICES|SECRETS|INSIDE|FILES|CARRIED)@'?$/m,
  );
  // Other files are another version, and the same again is the same.
  assert.equal(
    (await built({ version: "1.2", files, secrets: ["KEY"] })).get("probe-install.sh")!.contents,
    text,
  );
  const other = (await built({ version: "1.2", secrets: ["KEY"] })).get("probe-install.sh")!.contents;
  assert.notEqual(/linux-x64 (\w{16})/.exec(other)![1], x64);
});

test("an installer is the same on every runtime and in any folder", async () => {
  const text = (await built({ version: "1" })).get("probe-install.sh")!.contents;
  const parts = /TARGETS='([\s\S]*?)'/.exec(text)![1];
  assert.equal(
    parts,
    [
      "linux-x64 af10d5764ecb1ced d69ea8cda2433733c1ce02de65da8f48e6a3dbba6bb18876a2062908e54ef7cb 9",
      "linux-arm64 9ceb267a4da2979f ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5 7",
    ].join("\n"),
  );
});

test("Windows has a script of its own, which knows its programs alike and is whole only at its end", async () => {
  const odd = `${ODD}ü😀`;
  const mixed = await built(
    { version: "it's 1", targets: ["windows-x64", "linux-x64", "windows-arm64"] },
    odd,
  );
  assert.deepEqual([...mixed.keys()], [
    ...["outrider-linux-x64", "probe-install.sh"],
    ...["outrider-windows-x64.exe", "outrider-windows-arm64.exe", "probe-install.ps1"],
  ]);
  const text = mixed.get("probe-install.ps1")!.contents;
  const programs = /^\$Programs = @'\n([\s\S]*?)\n'@$/m.exec(text)![1]!.split("\n");
  assert.deepEqual(programs.map((line) => line.split(" ")[0]), ["windows-x64", "windows-arm64"]);
  assert.equal(programs[0]!.split(" ")[2], createHash("sha256").update("a program").digest("hex"));
  assert.match(text, /^\$Version = 'it''s 1'$/m);
  assert.doesNotMatch(text.replace(/^\{"outriderCarried.*$/m, ""), /@(FILE|NAME|VERSION|TARGETS|INSIDE)@/);
  // In whichever code page it is read.
  assert.match(text, /^[\0-\x7f]*$/);
  assert.equal(JSON.parse(/^\{"outriderCarried.*$/m.exec(text)![0]).odd, odd);
  assert.match(text, /-File probe-install\.ps1 -Gateway/);
  // Every here-string ends, and nothing is done before the last lines.
  assert.equal(text.match(/@'$/gm)!.length, text.match(/^'@/gm)!.length);
  const lines = text.trimEnd().split("\n");
  assert.match(lines.at(-1)!, /^if \(\$Uninstall\) \{ Uninstall-Outrider \} else \{ Install-Outrider \}$/);
  assert.equal(lines.filter((line) => /^(Install|Uninstall)-Outrider/.test(line)).length, 0);
  const pairs = (open: string, close: string) => text.split(open).length - text.split(close).length;
  assert.deepEqual([pairs("{", "}"), pairs("(", ")")], [0, 0]);
  await assert.rejects(
    built({ targets: ["windows-x64"], files: { "/srv/a": { from: "settings.json" } } }),
    /"files" have no place on windows-x64/,
  );
});

test("a unit gives a service nothing but what is required, and starts a wrong configuration once", () => {
  const least = systemdUnit("probe");
  assert.match(least, /^RestartPreventExitStatus=2\nSuccessExitStatus=130 143$/m);
  assert.match(least, /^CapabilityBoundingSet=\nAmbientCapabilities=$/m);
  for (const line of ["DynamicUser=yes", "PrivateDevices=yes", "PrivateUsers=yes", "NoNewPrivileges=yes"]) {
    assert.ok(least.includes(`\n${line}\n`), line);
  }
  // V8 writes what it executes.
  assert.ok(!least.includes("MemoryDenyWriteExecute"));
  const pinging = systemdUnit("probe", { capabilities: ["NET_RAW"] });
  assert.match(pinging, /^CapabilityBoundingSet=CAP_NET_RAW\nAmbientCapabilities=CAP_NET_RAW$/m);
  assert.ok(pinging.includes("AF_PACKET") && !pinging.includes("PrivateUsers"));
  assert.ok(pinging.includes("SystemCallFilter=~@privileged"));
  const clock = systemdUnit("probe", { capabilities: ["SYS_TIME"] });
  assert.ok(!clock.includes("ProtectClock") && clock.includes("SystemCallFilter=@privileged"));
  const serial = systemdUnit("probe", { devices: ["/dev/ttyUSB0"] });
  assert.match(serial, /^DevicePolicy=closed\nDeviceAllow=\/dev\/ttyUSB0 rw$/m);
  assert.ok(serial.includes("SupplementaryGroups=@GROUPS@") && !serial.includes("PrivateDevices"));
});

test("the other services start a wrong configuration no more than a few times, too", () => {
  const openrc = openrcScript("probe", { capabilities: ["NET_RAW", "NET_ADMIN"] });
  assert.match(openrc, /^respawn_delay=5\nrespawn_max=5\nrespawn_period=120$/m);
  assert.match(openrc, /^capabilities="\^cap_net_raw,\^cap_net_admin"$/m);
  assert.ok(!openrcScript("probe").includes("capabilities="));
  assert.match(launchdList("probe"), /<key>KeepAlive<\/key>\s*<dict><key>Crashed<\/key><true\/><\/dict>/);
});

test("names and lists in an installer stay values, whatever is in them", () => {
  const text = installerText({
    name: "it's",
    version: "1'; reboot; '",
    targets: [],
    carried: "{}\n",
    inside: true,
    files: [],
    secrets: ["A'B"],
    requires: { devices: ["/dev/a'b"], packages: { debian: ["one", "two=1"] } },
  });
  assert.ok(text.includes("\n  NAME='it'\\''s'\n"));
  assert.ok(text.includes("\n  VERSION='1'\\''; reboot; '\\'''\n"));
  assert.ok(text.includes("\n  SECRETS='A'\\''B'\n"));
  assert.ok(text.includes("\n  DEVICES='/dev/a'\\''b'\n"));
  assert.ok(text.includes("\n  PACKAGES='one two=1'\n"));
  assert.ok(text.includes("\n  INSIDE='yes'\n"));
});
