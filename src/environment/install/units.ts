/**
 * Owns what starts an installed environment: the texts for systemd, OpenRC and launchd.
 * Must not know where it is installed: `@PREFIX@`, `@CONFIG@` and `@GROUPS@` stand for that until it is.
 * Invariant: what a pipeline may do beyond the least is what `requires` says, and nothing else.
 */
import type { Requires } from "../../pipeline/document/manifest.ts";

/** What of `requires` changes how it is started. */
export type UnitNeeds = Pick<Requires, "capabilities" | "devices">;

/** Capabilities that a process may use without being let do what the system calls of `@privileged` do. */
const NETWORK: readonly string[] = ["NET_RAW", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST"];

/** What each loosens of the least. */
const LOOSENED: Readonly<Record<string, readonly string[]>> = {
  SYS_TIME: ["ProtectClock"],
  WAKE_ALARM: ["ProtectClock"],
  SYSLOG: ["ProtectKernelLogs"],
  SYS_MODULE: ["ProtectKernelModules"],
  SYS_NICE: ["RestrictRealtime"],
  SYS_PTRACE: ["ProtectProc"],
  SYS_ADMIN: [
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHostname",
    "ProtectKernelTunables",
    "RestrictNamespaces",
  ],
};

const LEAST: readonly (readonly [name: string, value: string])[] = [
  ["ProtectClock", "yes"],
  ["ProtectHostname", "yes"],
  ["ProtectKernelLogs", "yes"],
  ["ProtectKernelModules", "yes"],
  ["ProtectKernelTunables", "yes"],
  ["ProtectControlGroups", "yes"],
  ["ProtectProc", "invisible"],
  ["RestrictNamespaces", "yes"],
  ["RestrictRealtime", "yes"],
];

/** The unit of systemd. Its exposure, as `systemd-analyze security` counts, is at most 1.5 where nothing is required. */
export function systemdUnit(name: string, needs: UnitNeeds = {}): string {
  const capabilities = (needs.capabilities ?? []).map((each) => `CAP_${each}`).join(" ");
  const loosened = new Set(needs.capabilities?.flatMap((each) => LOOSENED[each] ?? []));
  return `[Unit]
Description=Outrider, the environment ${name}
Documentation=man:systemd.exec(5)
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0
ConditionPathExists=@PREFIX@/current/outrider
ConditionPathExists=@CONFIG@

[Service]
Type=exec
ExecStartPre=-+/bin/sh @PREFIX@/settle
ExecStart=@PREFIX@/current/outrider agent --follow
Environment=OUTRIDER_ENVIRONMENT=@PREFIX@/current/environment.json
Environment=OUTRIDER_STATE_DIR=%S/outrider
Environment=OUTRIDER_DEVICE_DIR=%S/outrider
EnvironmentFile=-@CONFIG@
# 2: the configuration is wrong, which no start makes right. By a signal it ends as it was asked to.
Restart=on-failure
RestartPreventExitStatus=2
SuccessExitStatus=130 143
RestartSec=5
TimeoutStopSec=40
KillMode=mixed
DynamicUser=yes
${needs.devices === undefined ? "" : "SupplementaryGroups=@GROUPS@\n"}StateDirectory=outrider
StateDirectoryMode=0750
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=${capabilities}
AmbientCapabilities=${capabilities}
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
${LEAST.filter(([key]) => !loosened.has(key)).map(([key, value]) => `${key}=${value}\n`).join("")}${
    capabilities === "" ? "PrivateUsers=yes\n" : ""
  }${devices(needs.devices)}RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK${packets(needs)}
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
${calls(needs)}SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target`;
}

function devices(devices: readonly string[] | undefined): string {
  if (devices === undefined || devices.length === 0) return "PrivateDevices=yes\n";
  return `DevicePolicy=closed\n${devices.map((each) => `DeviceAllow=${each} rw\n`).join("")}`;
}

function packets({ capabilities = [] }: UnitNeeds): string {
  return capabilities.some((each) => each === "NET_RAW" || each === "NET_ADMIN") ? " AF_PACKET" : "";
}

function calls({ capabilities = [] }: UnitNeeds): string {
  const all = "SystemCallFilter=@system-service\n";
  if (capabilities.every((each) => NETWORK.includes(each))) {
    return `${all}SystemCallFilter=~@privileged @resources\n`;
  }
  // What they let do is done by calls that the least does without.
  return `${all}SystemCallFilter=@privileged @resources @clock @mount @module @raw-io @debug\n`;
}

/** The service script of OpenRC. It runs as a user of its own, which the installer makes. */
export function openrcScript(name: string, { capabilities = [] }: UnitNeeds = {}): string {
  const ambient = capabilities.map((each) => `^cap_${each.toLowerCase()}`).join(",");
  return `#!/sbin/openrc-run
# Outrider, the environment ${name}
name=outrider
description="Runs pipelines for a gateway"
supervisor=supervise-daemon
command=@PREFIX@/current/outrider
# It starts the agent again by itself, but for an end that no start makes right.
command_args="agent --follow --supervise"
command_user=outrider:outrider
${ambient === "" ? "" : `capabilities="${ambient}"\n`}respawn_delay=5
respawn_max=5
respawn_period=120
required_files="@CONFIG@"

depend() {
  need net
  after firewall
}

start_pre() {
  /bin/sh @PREFIX@/settle
  checkpath -d -m 0750 -o outrider:outrider /var/lib/outrider
  set -a
  . @CONFIG@
  set +a
  export OUTRIDER_STATE_DIR=/var/lib/outrider OUTRIDER_DEVICE_DIR=/var/lib/outrider OUTRIDER_ENVIRONMENT=@PREFIX@/current/environment.json
}`;
}

/** The property list of launchd. An end that the supervisor takes for final is final. */
export function launchdList(name: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Outrider, the environment ${name} -->
<plist version="1.0">
<dict>
  <key>Label</key><string>outrider</string>
  <key>ProgramArguments</key>
  <array>
    <string>/bin/sh</string>
    <string>-c</string>
    <string>/bin/sh @PREFIX@/settle; mkdir -p -m 700 /var/lib/outrider; set -a; . @CONFIG@; OUTRIDER_STATE_DIR=/var/lib/outrider OUTRIDER_DEVICE_DIR=/var/lib/outrider OUTRIDER_ENVIRONMENT=@PREFIX@/current/environment.json exec @PREFIX@/current/outrider agent --follow --supervise</string>
  </array>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key>
  <dict><key>Crashed</key><true/></dict>
  <key>Umask</key><integer>63</integer>
</dict>
</plist>`;
}
