/** How many cores and how much memory this process may use, by what systems tell: none, groups of version 1 and of version 2. */
import assert from "node:assert/strict";
import test from "node:test";
import {
  coresAllowed,
  freeMemory,
  idleMs,
  memoryAllowed,
  queuedTime,
  systemFiles,
} from "../../src/runtime/allowance.ts";

const MIB = 2 ** 20;

/** A system with these files. */
function system(files: Readonly<Record<string, string>>, cores = 8) {
  return {
    read: (path: string): string | undefined => files[path],
    list: (path: string) =>
      Object.keys(files).filter((file) => file.startsWith(`${path}/`)).map((file) =>
        file.slice(path.length + 1).split("/")[0]!
      ),
    cores,
    total: 1_024 * MIB,
    free: () => 1_000 * MIB,
  };
}

const bytes = (mib: number) => `${mib * MIB}\n`;
const V2 = "0::/kubepods/pod1\n";
const V1 = "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n3:pids:/docker/abc\n0::/\n";

test("cores are those of the scheduler, or of the least quota of a group above, rounded up", () => {
  const cores = (files: Readonly<Record<string, string>>) => coresAllowed(system(files));
  assert.equal(cores({}), 8);
  assert.equal(cores({ "/proc/self/cgroup": V2 }), 8);
  const at = (folder: string, max: string) => ({
    "/proc/self/cgroup": V2,
    [`/sys/fs/cgroup${folder}/cpu.max`]: max,
  });
  assert.equal(cores(at("/kubepods/pod1", "max 100000\n")), 8);
  assert.equal(cores(at("/kubepods/pod1", "200000 100000\n")), 2);
  assert.equal(cores(at("/kubepods", "250000 100000\n")), 3);
  assert.equal(cores(at("", "50000 100000\n")), 1, "as a container sees its own group");
  assert.equal(cores(at("/kubepods/pod1", "9000000 100000\n")), 8);
  assert.equal(cores(at("/kubepods/pod1", "nonsense")), 8);
  const v1 = (quota: string) => ({
    "/proc/self/cgroup": V1,
    "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": quota,
    "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
  });
  assert.equal(cores(v1("-1\n")), 8);
  assert.equal(cores(v1("150000\n")), 2);
});

test("memory is what the machine has available, or what the tightest group leaves, with pages of files that can go", () => {
  const free = (files: Readonly<Record<string, string>>) => freeMemory(system(files)) / MIB;
  const meminfo = { "/proc/meminfo": "MemTotal: 9999999 kB\nMemAvailable:   512000 kB\n" };
  assert.equal(free({}), 1_000);
  assert.equal(free(meminfo), 500);
  const group = "/sys/fs/cgroup/kubepods/pod1";
  const v2 = (max: string, current: number, inactive = 0) => ({
    ...meminfo,
    "/proc/self/cgroup": V2,
    [`${group}/memory.max`]: max,
    [`${group}/memory.current`]: bytes(current),
    [`${group}/memory.stat`]: `anon 5\ninactive_file ${inactive * MIB}\n`,
  });
  assert.equal(free(v2("max\n", 100)), 500);
  assert.equal(free(v2(bytes(256), 100)), 156);
  assert.equal(free(v2(bytes(256), 100, 30)), 186);
  assert.equal(free(v2(bytes(256), 300)), 0);
  const v1 = (limit: string) => ({
    ...meminfo,
    "/proc/self/cgroup": V1,
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": limit,
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": bytes(64),
  });
  assert.equal(free(v1("9223372036854771712\n")), 500);
  assert.equal(free(v1(bytes(128))), 64);
});

test("the memory that there may be in all is the least that the machine, the group or one around it allows", () => {
  const allowed = (files: Readonly<Record<string, string>>) => memoryAllowed(system(files)) / MIB;
  const limit = (path: string, text: string) => ({ [`/sys/fs/cgroup${path}`]: text });
  const group = "0::/system.slice/outrider.service\n";
  assert.equal(allowed({}), 1_024);
  const of = "/system.slice/outrider.service/memory.max";
  assert.equal(allowed({ "/proc/self/cgroup": group, ...limit(of, "max\n") }), 1_024);
  assert.equal(
    allowed({ "/proc/self/cgroup": group, ...limit("/system.slice/memory.max", bytes(300)) }),
    300,
  );
  assert.equal(allowed({ "/proc/self/cgroup": "0::/\n", ...limit("/memory.max", bytes(200)) }), 200);
  assert.equal(
    allowed({
      "/proc/self/cgroup": "5:cpu:/x\n4:hugetlb,memory:/docker/1\n0::/docker/1\n",
      ...limit("/memory/docker/1/memory.limit_in_bytes", bytes(100)),
      ...limit("/memory/memory.limit_in_bytes", "9223372036854771712\n"),
    }),
    100,
  );
});

test("allowance: time for which threads had no core is added up as it grows, and not known of very many", () => {
  const files: Record<string, string> = {};
  const thread = (id: number, text: string) => files[`/proc/self/task/${id}/schedstat`] = text;
  const queued = queuedTime(system(files));
  assert.equal(queued(), undefined);
  thread(1, "9000000 4000000 7\n");
  thread(2, "0 1000000 1\n");
  assert.equal(queued(), 5);
  thread(1, "9000000 6000000 8\n");
  assert.equal(queued(), 7);
  delete files["/proc/self/task/2/schedstat"];
  thread(3, "1 500000 1\n");
  assert.equal(queued(), 7.5, "one has ended, and another has begun");
  thread(3, "no number");
  assert.equal(queued(), 7.5);
  for (let id = 10; id < 40; id++) thread(id, "0 0 0");
  assert.equal(queued(), undefined);
});

test("what this machine tells is within what it has", () => {
  assert.ok(coresAllowed() >= 1 && coresAllowed() <= systemFiles.cores);
  assert.ok(freeMemory() > 0 && memoryAllowed() > MIB);
  const queued = queuedTime();
  assert.ok((queued() ?? 0) <= (queued() ?? 0));
});

test("allowance: time in which no core had anything to do is what the system says, or not known", () => {
  const idle = (stat: string) => idleMs(system({ "/proc/stat": stat }));
  assert.equal(idle("cpu  1 2 3 400 50 6 7 8 0 0\ncpu0 1 2 3 200 25 6 7 8 0 0\n"), 4_500);
  assert.equal(idleMs(system({})), undefined);
  assert.equal(idle("intr 1 2 3"), undefined);
});
