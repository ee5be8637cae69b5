/**
 * Has a real cloud-init read what is made for it (NoCloud), in a world of its own: what is in the seed is installed, and a purge
 * leaves nothing of it.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { metaData, userData } from "../../../src/environment/vm/seed.ts";
import { ROOT, testWith } from "../../system.ts";
import { installer, program, TARGET, World } from "./installer_rig.ts";

/** Of all that cloud-init does to a machine, what user data asks for. */
const CLOUD = JSON.stringify({
  datasource_list: ["NoCloud"],
  cloud_init_modules: ["write-files"],
  cloud_config_modules: ["runcmd"],
  cloud_final_modules: ["scripts-user"],
  system_info: { distro: "debian" },
});
const STAGES = ["init --local", "init", "modules --mode=config", "modules --mode=final"];

testWith(
  [ROOT, "busybox", "cloud-init"],
  "cloud-init: what a seed says is installed at the first start, with the volume's program and settings",
  () => {
    const world = new World();
    const put = (path: string, text: string) => {
      fs.mkdirSync(join(world.path, path, ".."), { recursive: true });
      fs.writeFileSync(join(world.path, path), text);
    };
    try {
      const one = program("1.0.0");
      const script = installer("1.0.0", one, {
        inside: true,
        gateway: "http://127.0.0.1:9",
        files: [{ path: "/etc/probe/it's.json", mode: "0640", base64: "b25l" }],
      });
      put("etc/group", "root:x:0:\nadm:x:4:\n");
      put("etc/cloud/cloud.cfg", CLOUD);
      put("var/lib/cloud/seed/nocloud/user-data", userData(script));
      put("var/lib/cloud/seed/nocloud/meta-data", metaData("probe", "0".repeat(64)));
      // As the volume would be mounted, which a world without devices can't be.
      put(`run/outrider-seed/outrider-${TARGET}`, one);
      put("run/outrider-seed/outrider.env", "OUTRIDER_EXECUTOR_ID='vm-1'\r\n");
      for (const folder of ["var/log", "etc/systemd", "etc/udev", "usr", "run/cloud-init"]) {
        fs.mkdirSync(join(world.path, folder), { recursive: true });
      }
      const of = /^(usr|proc|dev|bb|t|tmp|run|var\/lib\/(cloud|outrider-seed)|var\/log|root)(\/|$)/;
      const before = world.list(of);
      const stages = STAGES.map((stage) => `cloud-init ${stage} || exit`).join("; ");
      const { code, stdout, stderr } = world.run(["sh", "-c", stages]);
      assert.equal(code, 0, stdout + stderr);
      const log = world.has("var/log/cloud-init-output.log")
        ? world.read("var/log/cloud-init-output.log")
        : "";
      const said = stdout + stderr + log;
      assert.match(said, /probe 1\.0\.0 is installed in \/opt\/outrider/);
      assert.equal(world.read("etc/outrider.env"), "OUTRIDER_EXECUTOR_ID='vm-1'\n");
      assert.equal(fs.statSync(join(world.path, "etc/outrider.env")).mode & 0o777, 0o600);
      assert.equal(world.read("etc/probe/it's.json"), "one");
      assert.match(world.run(["/opt/outrider/current/outrider", "--version"]).stdout, /^1\.0\.0$/m);
      for (const left of ["var/lib/outrider-seed", "run/outrider-seed.env"]) {
        assert.equal(world.has(left), false, left);
      }
      world.put("v1.sh", script);
      const purged = world.run(["sh", "/t/v1.sh", "--purge"]);
      assert.equal(purged.code, 0, purged.stderr);
      assert.deepEqual(world.list(of), before);
    } finally {
      world.remove();
    }
  },
);
