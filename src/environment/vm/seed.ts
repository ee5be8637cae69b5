/**
 * Owns what cloud-init reads at the first start of a stock image (NoCloud), so that it becomes a device.
 * Must not know how a volume is written, nor what the installer does.
 * Invariant: every document is JSON, which is YAML too: whatever a value holds, it stays a value. No secret is in it.
 */
import { gzipSync } from "fflate";
import { toBase64 } from "../../base/base64.ts";
import type { Bytes } from "../../base/bytes.ts";

/** By what cloud-init and the kernel find the volume. */
export const SEED_LABEL = "CIDATA";

const PLACE = "/var/lib/outrider-seed";

/**
 * Tells cloud-init what to do; the same on a volume and in a cloud, which takes it as text.
 *
 * @param script The installer.
 */
export function userData(script: string): string {
  const document = {
    write_files: [
      {
        path: `${PLACE}/install.sh`,
        permissions: "0755",
        encoding: "gz+b64",
        content: toBase64(gzipSync(new TextEncoder().encode(script), { level: 9, mtime: 0 }) as Bytes),
      },
      { path: `${PLACE}/start.sh`, permissions: "0755", content: START },
    ],
    runcmd: [["sh", `${PLACE}/start.sh`]],
  };
  return `#cloud-config\n${JSON.stringify(document, null, 2)}\n`;
}

/** Who the machine is. @param digest Of what it is to be: another one makes cloud-init begin anew. */
export function metaData(name: string, digest: string): string {
  return `${JSON.stringify({ "instance-id": `${name}-${digest.slice(0, 16)}` }, null, 2)}\n`;
}

/** Every card asks for its address. */
export function networkConfig(): string {
  const ethernets = { all: { match: { name: "e*" }, dhcp4: true, dhcp6: true, optional: true } };
  return `${JSON.stringify({ version: 2, ethernets }, null, 2)}\n`;
}

/** What is run once: the program that lies on the volume counts before what the gateway hands out. */
const START = `#!/bin/sh
# Installs this environment: with the program and the configuration of the volume ${SEED_LABEL}, if there is one.
set -u
seed=/run/outrider-seed
settings=/run/outrider-seed.env
mkdir -p "$seed"
mount -o ro LABEL=${SEED_LABEL} "$seed" 2>/dev/null || :
case $(uname -m) in
  aarch64 | arm64) program=$seed/outrider-linux-arm64 ;;
  *) program=$seed/outrider-linux-x64 ;;
esac
set --
if [ -f "$program" ]; then set -- "$@" --from "$program"; fi
# The installer places it, and so takes it away again.
if [ -f "$seed/outrider.env" ]; then
  (umask 077 && tr -d '\\r' <"$seed/outrider.env" >"$settings")
  set -- "$@" --settings "$settings"
fi
sh ${PLACE}/install.sh "$@"
code=$?
umount "$seed" 2>/dev/null || :
rm -f "$settings"
rmdir "$seed" 2>/dev/null || :
# What did not work stays, for who has to find out.
[ "$code" != 0 ] || rm -rf ${PLACE}
exit "$code"
`;
