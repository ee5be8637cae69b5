/**
 * Holds the service that an installer sets up to its whole life on a real systemd, with a real executable: booted in a
 * container without a network, on this machine's programs.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Requires } from "../../../src/pipeline/document/manifest.ts";
import { systemdUnit } from "../../../src/environment/install/units.ts";
import { compile } from "../../../tools/compile.ts";
import { leaveOut, ROOT, testWith } from "../../system.ts";
import { installer, program, World } from "./installer_rig.ts";

/** What is checked within, one line each: what it promises, then what has to be so. */
const CHECKS = String.raw`
exec >/t/out 2>&1
trap 'systemctl --force poweroff' EXIT
ok() { if eval "$2"; then echo "ok $1"; else echo "FAILED $1: $(cat /t/said)"; journalctl --no-pager -n 20; exit 1; fi; }
list() { find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /t -o -path /bb -o -path /dev -o -path /var/log -o -path /var/lib/systemd \) -prune -o -printf '%p %y %m %u:%g %l\n' | sort; }
show() { systemctl show outrider -p "$1" --value; }
up() { [ "$(systemctl is-active outrider)" = active ]; }
within() { n=0; until eval "$2"; do n=$((n + 1)); [ "$n" -lt "$1" ] || return 1; sleep 0.5; done; }
of() { sed -n "s/^$1:\t*\([^\t]*\).*/\1/p" "/proc/$(show MainPID)/status"; }
list >/t/before
sh /t/v1.sh --from /t/one >/t/said 2>&1; ok "it installs without a configuration" "[ $? = 0 ]"
ok "and starts nothing then" "! up"
sh /t/v1.sh --purge >/t/said 2>&1; list >/t/after
ok "a purge leaves nothing" "diff /t/before /t/after"

export HOME=/root OUTRIDER_TOKEN=a-token-of-a-test
(cd /tmp && exec /t/one gateway --port 8410 --db /tmp/gateway.db) >/t/gateway 2>&1 &
gateway=$!
within 240 "grep -q 'http://' /t/gateway"
export OUTRIDER_GATEWAY=http://127.0.0.1:8410
sh /t/v1.sh --from /t/one --id probe-1 >/t/said 2>&1; ok "it installs and starts with a configuration" "[ $? = 0 ] && up"
ok "as nobody in particular" "[ $(of Uid) -ge 61184 ]"
ok "without any capability" "[ $(of CapEff) = 0000000000000000 ] && [ $(of CapBnd) = 0000000000000000 ]"
ok "with a filter of system calls" "[ $(of Seccomp) = 2 ]"
ok "which may gain nothing" "[ $(of NoNewPrivs) = 1 ]"
outrider submit /t/pipeline.outrider.json --to probe-1 >/t/said 2>&1
ok "a pipeline that waits at the gateway is run, and its result is there" "[ $? = 0 ] && within 240 'outrider results | grep -q succeeded'"

mkdir -p /etc/systemd/system/outrider.service.d
echo '[Service]
Environment=MINE=1' >/etc/systemd/system/outrider.service.d/mine.conf
sed -i 's/^RestartSec=5/RestartSec=1/' /etc/systemd/system/outrider.service
sh /t/v4.sh --from /t/dies >/t/said 2>&1; ok "an upgrade that dies is refused" "[ $? = 1 ] && grep -q 'is not well here: what was there before runs again' /t/said"
ok "and the version before runs" "up && [ $(outrider --version) = $(/t/one --version) ]"
ok "the drop-in and the unit stay as the operator has them" "grep -q 'was changed here' /t/said && grep -q RestartSec=1 /etc/systemd/system/outrider.service && show Environment | grep -q MINE=1"

sh /t/v5.sh --from /t/lost >/t/said 2>&1
ok "one that lives and does not reach the gateway is refused" "[ $? = 1 ] && grep -q 'has not reached the gateway, which the version before did: that runs again' /t/said && up"
ok "and the version before reaches it" "within 40 'grep -q true /var/lib/outrider/gateway.json'"

pid=$(show MainPID); kill -9 "$pid"
ok "it comes back when it is killed" "within 240 'up && [ \$(show MainPID) != $pid ]'"
before=$(readlink /opt/outrider/current); mkdir /opt/outrider/versions/bad; cp /t/dies /opt/outrider/versions/bad/outrider
ln -sfn versions/bad /opt/outrider/current; basename "$before" >/opt/outrider/trial
systemctl restart outrider; within 240 up; sleep 1
ok "a trial that a power cut has ended goes back before the start" "up && [ $(readlink /opt/outrider/current) = $before ]"
systemctl stop outrider; ok "an end by SIGTERM is no failure" "[ $(show Result) = success ]"

sed -i "s/^OUTRIDER_GATEWAY=.*/OUTRIDER_GATEWAY='nonsense'/" /etc/outrider.env
systemctl start outrider; within 240 '! up'; sleep 3
ok "a wrong configuration is started once" "[ $(show ExecMainStatus) = 2 ] && [ $(show NRestarts) = 0 ] && [ $(systemctl is-active outrider) = failed ]"
rm -r /etc/systemd/system/outrider.service.d
sh /t/v1.sh --purge >/t/said 2>&1; list >/t/after; ok "a purge leaves nothing of all that" "diff /t/before /t/after"

sh /t/ping.sh --from /t/one --id probe-1 >/t/said 2>&1; ok "with NET_RAW it has that and nothing else" "up && [ $(of CapEff) = 0000000000002000 ] && [ $(of CapBnd) = 0000000000002000 ]"
kill $gateway
echo "over"
`;

const PIPELINE = JSON.stringify({
  outrider: 1,
  name: "device-check",
  tasks: { one: { run: { module: "./tasks.js", export: "one" } }, two: { needs: ["one"] } },
});

function runCli(...args: readonly string[]): void {
  execFileSync(process.execPath, [
    fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url)),
    ...args,
  ]);
}

/** A world that boots with this machine's systemd, and does the checks. */
function bootable(): World {
  const world = new World();
  const at = (path: string) => join(world.path, path);
  for (const folder of ["etc/systemd/system", "var/log", "var/lib/private"]) {
    fs.mkdirSync(at(folder), { recursive: true });
  }
  fs.chmodSync(at("var/lib/private"), 0o700);
  fs.appendFileSync(at("etc/passwd"), "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
  fs.writeFileSync(at("etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  fs.writeFileSync(at("etc/os-release"), "ID=probe\n");
  // Not empty: on a first start systemd enables all that this machine has.
  fs.writeFileSync(at("etc/machine-id"), `${"1234567890abcdef".repeat(2)}\n`);
  const unit =
    "[Unit]\nAfter=sysinit.target\n[Service]\nExecStart=/bin/sh /t/checks.sh\nStandardError=file:/t/errors\n";
  fs.writeFileSync(at("etc/systemd/system/checks.service"), unit);
  const target =
    "[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=checks.service\nAllowIsolate=yes\n";
  fs.writeFileSync(at("etc/systemd/system/checks.target"), target);
  return world;
}

testWith(
  [ROOT, "systemd-nspawn", "busybox"],
  "service: installed, started, sandboxed, upgraded, killed and purged on a real systemd",
  async () => {
    const world = bootable();
    try {
      const one = join(world.path, "t/one");
      await compile("bun", one);
      const dies = program("4.0.0", "exit 1");
      world.put("dies", dies);
      const sha256 = createHash("sha256").update(fs.readFileSync(one)).digest("hex");
      const targets = [{
        target: `linux-${process.arch === "arm64" ? "arm64" : "x64"}`,
        id: "one",
        sha256,
        bytes: fs.statSync(one).size,
      }];
      world.put("v1.sh", installer("1.0.0", "", { targets }));
      world.put("ping.sh", installer("1.0.0", "", { targets, requires: { capabilities: ["NET_RAW"] } }));
      world.put("v4.sh", installer("4.0.0", dies));
      const lost = program("5.0.0", 'OUTRIDER_GATEWAY=http://127.0.0.1:9 exec /t/one "$@"');
      world.put("lost", lost);
      world.put("v5.sh", installer("5.0.0", lost));
      world.put("pipeline.json", PIPELINE);
      world.put("tasks.js", "export const one = () => 1;\n");
      runCli(
        "bundle",
        join(world.path, "t/pipeline.json"),
        "-o",
        join(world.path, "t/pipeline.outrider.json"),
      );
      world.put("checks.sh", CHECKS);
      const { stdout, stderr } = spawnSync("systemd-nspawn", [
        "--quiet",
        "--register=no",
        "--keep-unit",
        `--directory=${world.path}`,
        "--private-network",
        "--bind-ro=/usr",
        `--bind=${join(world.path, "local")}:/usr/local`,
        "--boot",
        "--console=pipe",
        "systemd.unit=checks.target",
      ], { encoding: "utf8", input: "", timeout: 200_000, killSignal: "SIGTERM" });
      if (!world.has("t/out")) return leaveOut("service", ["container that systemd boots in"]);
      const said = world.read("t/out");
      assert.doesNotMatch(said, /^FAILED/m, said);
      assert.match(said, /^over$/m, `${said}\n${stdout}\n${stderr}`);
      assert.equal(said.match(/^ok /gm)?.length, 20);
    } finally {
      world.remove();
    }
  },
);

testWith(
  ["systemd-nspawn"],
  "service: systemd takes the units, and finds no more exposure than there has to be",
  () => {
    const folder = fs.mkdtempSync(join(tmpdir(), "outrider-unit-"));
    try {
      const exposure = (capabilities: NonNullable<Requires["capabilities"]>, devices?: readonly string[]) => {
        const file = join(folder, "outrider.service");
        const text = systemdUnit("probe", { capabilities, ...(devices && { devices }) }).replaceAll(
          "@CONFIG@",
          "/etc/outrider.env",
        )
          .replaceAll("@GROUPS@", "dialout").replaceAll("@PREFIX@/current/outrider", "/bin/true").replaceAll(
            "@PREFIX@",
            "/opt/outrider",
          );
        fs.writeFileSync(file, text);
        const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
        assert.equal(stdout + stderr, "");
        const told = execFileSync("systemd-analyze", ["security", "--offline=true", file], {
          encoding: "utf8",
        });
        return Number(/Overall exposure level for outrider\.service: ([\d.]+)/.exec(told)![1]);
      };
      assert.ok(exposure([]) <= 1.5, String(exposure([])));
      assert.ok(exposure(["NET_RAW"]) <= 2);
      assert.ok(exposure(["SYS_TIME"], ["/dev/null"]) < 5);
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  },
);
