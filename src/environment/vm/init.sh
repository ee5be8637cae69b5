#!/usr/lib/outrider/busybox sh
# The first process of a virtual machine: mounts, modules, network, clock and configuration, then the program as a user without
# rights. It says on the console what is wrong. Its end is the machine's.
# shellcheck disable=SC3040 # it is run by busybox alone
b=/usr/lib/outrider/busybox
shared=/run/configuration
found=/run/outrider.env

say() { printf 'outrider: %s\n' "$*"; }

off() {
  $b sync
  # What was said has to reach the console.
  $b sleep 1
  $b poweroff -f
}

mounts() {
  $b mount -t proc -o nosuid,nodev,noexec proc /proc
  $b mount -t sysfs -o nosuid,nodev,noexec sys /sys
  $b mount -t devtmpfs -o nosuid,noexec dev /dev
  $b mkdir -p /dev/shm /dev/pts "$shared"
  $b mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 shm /dev/shm
  $b mount -t devpts -o nosuid,noexec pts /dev/pts
  # For tasks that Python runs and others: what they share.
  $b ln -sf /proc/self/fd /dev/fd
}

# Those of other machines' devices refuse, as they should: what is missing is told where it is looked for.
modules() {
  for module in /usr/lib/outrider/modules/*.ko; do $b insmod "$module" 2>/dev/null; done
}

network() {
  $b ip link set lo up
  card=''
  for path in /sys/class/net/*; do
    name=${path##*/}
    [ -e "$path/device" ] || continue
    card=$name
    $b ip link set "$name" up
    # Goes on asking by itself where nobody answers, and renews what it was given.
    $b udhcpc -i "$name" -s /usr/lib/outrider/lease -t 6 -T 1 -b -S >/dev/null 2>&1
    [ -f "/run/lease.$name" ] || say "Nobody gives $name an address by DHCP; asking goes on"
  done
  [ -n "$card" ] || say "This machine has no network card that the kernel knows"
}

# Looks once for outrider.env: in a folder that the host shares (virtio-fs, by the name outrider), then at the top of each disk.
configured() {
  $b mount -t virtiofs -o ro,nosuid,nodev,noexec outrider "$shared" 2>/dev/null && taken && return 0
  for disk in /dev/vd[a-z] /dev/vd[a-z][0-9] /dev/sd[a-z] /dev/sd[a-z][0-9] /dev/nvme[0-9]n[0-9]p[0-9] /dev/xvd[a-z] /dev/xvd[a-z][0-9] /dev/sr[0-9]; do
    [ -b "$disk" ] || continue
    for kind in vfat iso9660; do
      $b mount -t "$kind" -o ro,nosuid,nodev,noexec "$disk" "$shared" 2>/dev/null && taken && return 0
    done
  done
  return 1
}

taken() {
  [ -f "$shared/outrider.env" ] && (umask 077 && $b head -c 1048576 "$shared/outrider.env" >"$found")
  $b umount "$shared"
  [ -f "$found" ]
}

configuration() {
  second=0
  until configured; do
    # A disk that has it may take a moment to be there.
    if [ "${OUTRIDER_CONFIGURATION-}" != disk ]; then return 0; fi
    if [ "$second" -ge 10 ]; then
      say "There is no outrider.env on any disk"
      return 0
    fi
    second=$((second + 1))
    $b sleep 1
  done
}

# Lines are NAME=VALUE, quoted or not. What a line holds is never told: it may be a secret.
settings() {
  _number=0
  [ -f "$found" ] || return 0
  while IFS= read -r _line || [ -n "$_line" ]; do
    _number=$((_number + 1))
    _line=${_line%"$(printf '\r')"}
    case $_line in '' | '#'*) continue ;; esac
    _name=${_line%%=*}
    _value=${_line#*=}
    case $_name in
      "$_line" | '' | [0-9]* | *[!A-Za-z0-9_]*)
        say "Line $_number of outrider.env is not NAME=VALUE: it does not count"
        continue
        ;;
    esac
    case $_value in
      \'*\') _value=${_value#\'} _value=${_value%\'} ;;
      \"*\") _value=${_value#\"} _value=${_value%\"} ;;
    esac
    export "$_name=$_value"
  done <"$found"
}

# The kernel has taken the time from the machine's clock, if it has one. Else the gateway's has to do.
clock() (
  [ "$($b date -u +%Y)" -lt 2025 ] || exit 0
  settings
  said=$($b wget -S -T 5 -q -O /dev/null "${OUTRIDER_GATEWAY-}" 2>&1 | $b sed -n 's/^ *[Dd]ate: *//p' | $b head -n 1)
  $b date -u -D '%a, %d %b %Y %T' -s "${said% GMT}" >/dev/null 2>&1 ||
    say "This machine has no clock, and the gateway does not tell the time: certificates will be refused"
)

# shellcheck disable=SC2086 # several words
program() {
  settings
  unset OUTRIDER_CONFIGURATION TERM
  export @VARIABLES@
  cd @FOLDER@ && exec /usr/bin/setpriv --reuid @USER@ --regid @USER@ --clear-groups --no-new-privs \
    --inh-caps="-all@CAPABILITIES@" --ambient-caps="-all@CAPABILITIES@" --bounding-set="-all@CAPABILITIES@" \
    @PROGRAM@ @ARGUMENTS@
}

mounts
modules
network
configuration
clock
# shellcheck disable=SC2043 # none, one or several
for device in @DEVICES@; do
  $b chown @USER@:@USER@ "$device" || say "This machine has no $device, which tasks need"
done
set -o pipefail
while :; do
  # Through a pipe, so that it takes the console for no terminal: what is drawn there could not be read.
  (program) </dev/null 2>&1 | $b cat
  status=$?
  case $status in
    0 | 1 | 130 | 143) say "It has ended with $status: switching off" && off ;;
    2) say "Its configuration is wrong, which no start makes right: switching off" && off ;;
  esac
  say "It has ended with $status, and starts again in 5 s"
  $b sleep 5
done
