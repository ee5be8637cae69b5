/** Keys are made by a command, and bundles are signed with them; an agent of that key runs them, and no others. */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { runCli, withFiles } from "../rig.ts";

const PIPELINE = {
  outrider: 1,
  name: "check",
  tasks: { a: { run: { command: ["true"] } } },
};

test("outrider key new makes a key that outrider bundle signs with, and an agent runs what it has signed alone", () =>
  withFiles({ "p.json": PIPELINE, "pw.txt": "correct horse\n" }, async (cwd) => {
    const made = await runCli(["key", "new", "ours"], { cwd });
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /^RW\S{54}\n$/);
    assert.match(
      made.stderr,
      /^Key [0-9A-F]{16}: ours\.key signs, for whoever has it; ours\.pub is for OUTRIDER_TRUST\n$/,
    );
    assert.equal(statSync(join(cwd, "ours.key")).mode & 0o777, 0o600);
    assert.equal(readFileSync(join(cwd, "ours.pub"), "utf8").split("\n")[1], made.stdout.trim());
    const again = await runCli(["key", "new", "ours"], { cwd });
    assert.equal(again.code, 2);
    assert.match(again.stderr, /^ours\.key is there already, and no key is overwritten/);
    assert.equal((await runCli(["key", "public", "ours.key"], { cwd })).stdout, made.stdout);

    const bundled = await runCli(
      ["bundle", "p.json", "-o", "p.outrider.json", "--sign", "ours.key", "--version", "7"],
      { cwd },
    );
    assert.equal(bundled.code, 0, bundled.stderr);
    assert.match(bundled.stderr, /, version 7 signed by [0-9A-F]{16}\n$/);
    const plain = await runCli(["bundle", "p.json", "-o", "plain.outrider.json"], { cwd });
    assert.equal(plain.code, 0, plain.stderr);
    const { signature, ...rest } = JSON.parse(readFileSync(join(cwd, "p.outrider.json"), "utf8"));
    assert.deepEqual(rest, JSON.parse(readFileSync(join(cwd, "plain.outrider.json"), "utf8")));
    assert.match(signature, /\ntrusted comment: file:check\.outrider\.json\tversion:7\n/);
    // Whoever knows nothing of signatures runs it as before.
    assert.equal((await runCli(["run", "p.outrider.json"], { cwd })).code, 0);

    const agent = (pipeline: string) =>
      runCli(["agent"], {
        cwd,
        env: {
          OUTRIDER_PIPELINE: pipeline,
          OUTRIDER_TRUST: "ours.pub",
          OUTRIDER_STATE_DIR: "state",
          OUTRIDER_SERVE: "off",
        },
      });
    const good = await agent("p.outrider.json");
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stderr, /Version 7 of check is signed by/);
    const bad = await agent("plain.outrider.json");
    assert.equal(bad.code, 2, bad.stderr);
    assert.match(bad.stderr, /The bundle is not signed/);
  }));

test("a key with a password needs it, and what can't be signed with is told before anything is made", () =>
  withFiles(
    { "p.json": PIPELINE, "pw.txt": "correct horse\n", "empty.txt": "\n", "wrong.txt": "x" },
    async (cwd) => {
      const made = await runCli(["key", "new", "k", "--password-file", "pw.txt"], { cwd });
      assert.equal(made.code, 0, made.stderr);
      assert.doesNotMatch(made.stderr, /whoever/);
      const shown = await runCli(["key", "public", "k.key", "--password-file", "pw.txt"], { cwd });
      assert.equal(shown.stdout, made.stdout);
      writeFileSync(join(cwd, "no.key"), "no key\n");
      const wrong: readonly [readonly string[], RegExp][] = [
        [["--sign", "k.key"], /has a password: name the file/],
        [["--sign", "k.key", "--password-file", "wrong.txt"], /password of the secret key is wrong/],
        [["--sign", "k.key", "--password-file", "empty.txt"], /has no password: its first line is empty/],
        [["--sign", "none.key"], /none\.key can't be read/],
        [["--sign", "no.key"], /no secret key of minisign/],
        [["--sign", "k.pub"], /no secret key of minisign/],
        [["--version", "3"], /--version is for signing: add --sign KEY/],
        [["--sign", "k.key", "--version", "0"], /whole number from 1/],
      ];
      for (const [options, message] of wrong) {
        const { code, stderr } = await runCli(["bundle", "p.json", "-o", "x.json", ...options], { cwd });
        assert.equal(code, 2, stderr);
        assert.match(stderr, message);
        assert.throws(() => statSync(join(cwd, "x.json")));
      }
    },
  ));
