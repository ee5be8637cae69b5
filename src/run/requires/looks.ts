/**
 * Owns how each kind of thing that can be required is looked for, and what is said where it is missing.
 * Must not know who requires it.
 * Invariant: nothing is opened, started or imported but an interpreter, which reads what is written of its packages.
 */
import { messageOf } from "../../base/message.ts";
import type { Capability } from "../../model/capability.ts";
import { requiredBytes } from "../../pipeline/document/requires.ts";
import type { Requires } from "../../pipeline/document/manifest.ts";
import { pythonPackages } from "../../pool/kinds/python_packages.ts";
import type { RunnerPort } from "../../pool/kinds/runner.ts";
import { capabilitiesOf, debianPackagesOf } from "./machine.ts";
import { requirementOf, takes } from "./python_versions.ts";

/** Says what is wrong with one thing, and what to do; nothing if it is there. */
export type Verdict = (name: string) => string | undefined | Promise<string | undefined>;

/** A kind of thing that can be required. */
export interface Look {
  /** Where it stands in `requires`. */
  readonly key: string;
  entries(requires: Requires): string | readonly string[] | undefined;
  /** Called once, if there is something to look for; or why it can't be told here, in words. */
  begin(port: RunnerPort): Promise<Verdict | string>;
}

const commands: Look = {
  key: "commands",
  entries: ({ commands }) => commands,
  begin({ runtime }) {
    const path = runtime.env("PATH");
    return Promise.resolve(async (name) => {
      if (await runtime.findProgram(name, { path, endings: runtime.env("PATHEXT") })) return undefined;
      return name.includes("/")
        ? `There is no ${name} that this user may run: install it, or correct its path`
        : `There is no program ${name} in PATH (${
          path?.slice(0, 300) ?? "which is not set"
        }): install it, or add its folder to PATH`;
    });
  },
};

const debian: Look = {
  key: "packages.debian",
  entries: ({ packages }) => packages?.debian,
  async begin({ runtime }) {
    const installed = await debianPackagesOf(runtime);
    if (installed === undefined) return "this system keeps no list of Debian's packages";
    return (name) => installed.has(name) ? undefined : `It is not installed: apt install ${name}`;
  },
};

const python: Look = {
  key: "python",
  entries: ({ python }) => python,
  async begin(port) {
    try {
      const { executable, version, packages } = await pythonPackages(port);
      return (text) => {
        const { name, clauses } = requirementOf(text);
        const found = packages[name];
        if (found !== undefined && takes(clauses, found)) return undefined;
        const has = found === undefined ? `has no ${name}` : `has ${name} ${found}`;
        return `${executable} (Python ${version}) ${has}: ${executable} -m pip install "${text}"`;
      };
    } catch (error) {
      return () => messageOf(error);
    }
  },
};

const capabilities: Look = {
  key: "capabilities",
  entries: ({ capabilities }) => capabilities,
  async begin({ runtime }) {
    const held = await capabilitiesOf(runtime);
    if (held === undefined) return "only Linux has capabilities, and says which there are";
    return (name) =>
      held.has(name as Capability)
        ? undefined
        : `This process does not have it: grant it by AmbientCapabilities=CAP_${name} in a unit, or by --cap-add ${name} for a container`;
  },
};

const devices: Look = {
  key: "devices",
  entries: ({ devices }) => devices,
  begin: ({ runtime }) =>
    Promise.resolve(async (path) =>
      await runtime.isDevice(path)
        ? undefined
        : `There is no device ${path}: connect it, or hand it to the container by --device ${path}`
    ),
};

const memory: Look = {
  key: "memory",
  entries: ({ memory }) => memory,
  async begin({ runtime }) {
    const bytes = runtime.memoryAllowed();
    return (wanted) =>
      bytes >= requiredBytes(wanted)
        ? undefined
        : `There are ${
          Math.floor(bytes / 1024 ** 2)
        }MiB in all, less than ${wanted}: raise the container's limit, or take a larger device`;
  },
};

/** All kinds, in the order in which they are told. */
export const LOOKS: readonly Look[] = [commands, debian, python, capabilities, devices, memory];
