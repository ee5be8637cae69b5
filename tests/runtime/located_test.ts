/** How a program is found and started: one rule, with the same words on every runtime. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { runtime } from "../../src/runtime/runtime.ts";
import { withFolder } from "../run/rig.ts";

interface Tried {
  readonly said: string;
  readonly code: number | undefined;
  readonly error: string | undefined;
}

async function started(
  command: readonly string[],
  { cwd, env = { PATH: "/usr/bin:/bin" } }: {
    readonly cwd: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<Tried> {
  let said = "";
  const group = runtime.startGroup({
    command,
    cwd,
    env,
    stdin: "",
    onOutput: (_, bytes) => said += new TextDecoder().decode(bytes),
  });
  const { code, error } = await group.ended;
  await group.drained;
  group.release();
  return { said, code, error: error?.message };
}

function program(path: string, content: string | Uint8Array, mode = 0o755): void {
  writeFileSync(path, content);
  chmodSync(path, mode);
}

/** The head of a program for Linux on a processor. */
function elf(processor: number): Uint8Array {
  const head = new Uint8Array(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.set([2, 0, processor & 255, processor >> 8], 16);
  return head;
}

test("a program without #! is run by sh, an empty one too, named by path, by folder and by PATH", () =>
  withFolder(async (cwd) => {
    mkdirSync(join(cwd, "bin"));
    program(join(cwd, "bin/plain"), 'echo "plain $1"\n');
    program(join(cwd, "bin/empty"), "");
    program(join(cwd, "bin/unnamed"), "#!\necho unnamed\n");
    for (
      const [name, path] of [
        ["./bin/plain", "/usr/bin"],
        [join(cwd, "bin/plain"), "/usr/bin"],
        ["plain", `/nowhere:${join(cwd, "bin")}`],
        ["plain", "bin"],
        ["plain", "./bin:"],
      ] as const
    ) {
      assert.deepEqual(
        await started([name, "x y"], { cwd, env: { PATH: path } }),
        { said: "plain x y\n", code: 0, error: undefined },
        `${name} in ${path}`,
      );
    }
    assert.equal((await started(["./bin/empty"], { cwd })).code, 0);
    assert.equal((await started(["./bin/unnamed"], { cwd })).said, "unnamed\n");
  }));

test("an empty entry of PATH, and an empty PATH, is the folder that the program runs in; without PATH there are the usual ones", () =>
  withFolder(async (cwd) => {
    program(join(cwd, "mine"), "#!/bin/sh\necho mine\n");
    for (const path of ["", ":/nowhere", "/nowhere:", "/a::/b", "."]) {
      assert.equal((await started(["mine"], { cwd, env: { PATH: path } })).said, "mine\n", path);
    }
    assert.match(
      (await started(["mine"], { cwd, env: { PATH: "/nowhere" } })).error!,
      /no such program in PATH/,
    );
    assert.match((await started(["mine"], { cwd, env: {} })).error!, /no such program in PATH/);
    assert.equal((await started(["sh", "-c", "echo usual"], { cwd, env: {} })).said, "usual\n");
  }));

test("what PATH finds first and can't be started is passed over, and told if nothing else is there", () =>
  withFolder(async (cwd) => {
    for (const name of ["a", "b", "c"]) mkdirSync(join(cwd, name));
    mkdirSync(join(cwd, "a/tool"));
    program(join(cwd, "b/tool"), "#!/bin/sh\n", 0o644);
    const env = { PATH: "a:b:c" };
    assert.equal(
      (await started(["tool"], { cwd, env })).error,
      `Could not start "tool": "${
        join(cwd, "a/tool")
      }" is in PATH, and it is a folder: name the program in it`,
    );
    program(join(cwd, "c/tool"), "#!/bin/sh\necho c\n");
    assert.equal((await started(["tool"], { cwd, env })).said, "c\n");
  }));

test("what can't be started is told in our words, whatever the runtime", () =>
  withFolder(async (cwd) => {
    mkdirSync(join(cwd, "folder"));
    symlinkSync("round", join(cwd, "round"));
    program(join(cwd, "closed"), "#!/bin/sh\n", 0o644);
    program(join(cwd, "lost"), "#!/no/such/python -u\n");
    program(join(cwd, "windows"), "#!/bin/sh\r\necho x\r\n");
    program(join(cwd, "nested"), `#!${join(cwd, "plain")}\n`);
    program(join(cwd, "unfit"), `#!${join(cwd, "closed")}\n`);
    program(join(cwd, "plain"), "echo plain\n");
    program(join(cwd, "circle"), `#!${join(cwd, "circle")}\n`);
    for (
      const [name, why] of [
        ["./none", "there is no such file: install it, or correct its path"],
        ["./closed/none", "there is no such file: install it, or correct its path"],
        ["./folder", "it is a folder: name the program in it"],
        ["/dev/null", "it is no file: name a program"],
        ["./round", "its symbolic links lead round in a circle"],
        ["./closed", "it may not be executed: chmod +x, or name its interpreter"],
        [
          "./lost",
          'its first line names the interpreter "/no/such/python", which is not there: install it, or correct the line',
        ],
        [
          "./windows",
          'its first line names the interpreter "/bin/sh\\r": its lines end as on Windows (CRLF), save it with LF',
        ],
        ["./nested", `its first line names the interpreter "${join(cwd, "plain")}", which is no program`],
        [
          "./unfit",
          `its first line names the interpreter "${
            join(cwd, "closed")
          }": it may not be executed: chmod +x, or name its interpreter`,
        ],
        ["", "its name is empty"],
        [`./${"x".repeat(300)}`, "its path is too long for this system"],
      ] as const
    ) {
      assert.deepEqual(
        await started([name], { cwd }),
        { said: "", code: undefined, error: `Could not start ${JSON.stringify(name)}: ${why}` },
      );
    }
    assert.match((await started(["./circle"], { cwd })).error!, /too many lead from one to the next$/);
  }));

test("a program for another processor, and a file of another form, is told before a shell takes it for a script", () =>
  withFolder(async (cwd) => {
    // Where the system starts others' programs, by an emulator, that is left to it.
    const formats = "/proc/sys/fs/binfmt_misc";
    if (existsSync(formats) && readdirSync(formats).length > 2) return;
    const own = process.arch === "x64" ? 62 : 183;
    const other = own === 62 ? 183 : 62;
    program(join(cwd, "other"), elf(other));
    program(join(cwd, "unheard"), elf(0x1234));
    program(join(cwd, "short"), elf(own).subarray(0, 10));
    program(join(cwd, "binary"), new Uint8Array([1, 0, 2, 0, 10]));
    const why = async (name: string) => (await started([name], { cwd })).error ?? "";
    if (process.platform !== "linux") return assert.match(await why("./other"), /it is a program for Linux/);
    assert.match(
      await why("./other"),
      /it is a program for (arm64|x64), and this machine is (x64|arm64): take/,
    );
    assert.match(await why("./unheard"), /a program for another processor \(4660\)/);
    assert.match(await why("./short"), /the file is cut off/);
    assert.match(await why("./binary"), /neither a program of this system nor a script/);
  }));

test("the folder that a program runs in is there, is a folder, and is told if not", () =>
  withFolder(async (cwd) => {
    program(join(cwd, "file"), "");
    const why = async (folder: string) => (await started(["true"], { cwd: join(cwd, folder) })).error;
    const gone = join(cwd, "gone");
    assert.equal(await why("gone"), `Could not start "true": there is no folder "${gone}" to run it in`);
    assert.equal(
      await why("file"),
      `Could not start "true": "${join(cwd, "file")}", which it is to run in, is no folder: correct cwd`,
    );
  }));
