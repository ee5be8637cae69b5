#!/bin/sh
# Installs, upgrades, rolls back and removes an environment of Outrider: sh FILE --help
# All of it is one function, and the last line calls it with a last word: a file that was cut off anywhere does nothing.
outrider_installer() (
  set -eu
  umask 022
  for last in nothing "$@"; do :; done
  [ "$last" = whole. ] || exit 1

  NAME='@NAME@'
  VERSION='@VERSION@'
  # Lines of TARGET VERSION_ID SHA256 BYTES
  TARGETS='@TARGETS@'
  # Packages of Debian, and device files, that tasks need
  PACKAGES='@PACKAGES@'
  DEVICES='@DEVICES@'
  # Names of variables that the device has to bring
  SECRETS='@SECRETS@'
  # yes: the environment itself says where pipelines come from; and its gateway, if that is one
  INSIDE='@INSIDE@'
  GATEWAY='@GATEWAY@'

  say() { printf '%s\n' "$*"; }
  warn() { printf '%s\n' "$*" >&2; }
  die() {
    warn "$*"
    exit 1
  }
  wrong() {
    warn "$* (--help tells what there is)"
    exit 2
  }
  have() { command -v "$1" >/dev/null 2>&1; }

  usage() {
    cat <<TEXT
Installs the environment $NAME $VERSION of Outrider, or upgrades what is there; what is not well goes back to what was there.

  sh $NAME-install.sh [--gateway URL] [--id ID] [--token-file FILE] [options]
  sh $NAME-install.sh --rollback | --uninstall | --purge | --verify | --version

  --gateway URL      the gateway: tells the agent, and is asked for the program (or OUTRIDER_GATEWAY)
  --id ID            who this executor is (or OUTRIDER_EXECUTOR_ID)
  --token-file FILE  the gateway's token is in this file (or OUTRIDER_TOKEN; it is never an argument)
  --settings FILE    what is to be in the configuration, where there is none yet
  --from FILE|URL    the program, instead of the file beside this one and of the gateway
  --key KEY          refuses a program that this key of minisign has not signed (or OUTRIDER_TRUST)
  --checked          who runs this has held it to such a key already, as outrider environment install does
  --user             for this user alone: without root, and without a service
  --root DIR         into the file system below DIR, where nothing is started; with --target TARGET, of another machine
  --no-start         sets the service up, and starts nothing
  --dry-run          says what would be done

  --rollback         goes back to the version before
  --uninstall        takes away all but the configuration and the state
  --purge            takes away those too
  --verify           holds what is installed to what it was
TEXT
  }

  # What it runs on -----------------------------------------------------------------------------------------------

  target_here() {
    [ -z "$target" ] || return 0
    system=$(uname -s)
    machine=$(uname -m)
    case $machine in
      x86_64 | amd64) machine=x64 ;;
      aarch64 | arm64) machine=arm64 ;;
      *) die "There is no Outrider for a machine of the kind $machine: it needs x86_64 or aarch64" ;;
    esac
    case $system in
      Linux) glibc_here "$machine" && target=linux-$machine ;;
      Darwin) target=darwin-$machine ;;
      *) die "There is no Outrider for the system $system: it needs Linux or macOS" ;;
    esac
    [ "$target" != linux-x64 ] || sse_here
  }

  # By the loader's file: some systems have no ldd, and that of others says nothing.
  glibc_here() {
    for loader in "$root"/lib/ld-linux-*.so.? "$root"/lib64/ld-linux-*.so.?; do
      [ ! -e "$loader" ] || return 0
    done
    die "There is no C library of GNU (glibc) here, which Outrider needs: on Alpine and others with musl, run the image instead"
  }

  sse_here() {
    [ -r /proc/cpuinfo ] || return 0
    ! grep -q '^flags' /proc/cpuinfo || grep -q '^flags.*[[:space:]]sse4_2' /proc/cpuinfo ||
      die "This processor has no SSE4.2, which Outrider needs on x86_64 (as processors since 2009 have): it would end by SIGILL"
  }

  packages_here() {
    missing=''
    have dpkg-query || return 0
    for package in $PACKAGES; do
      case $(dpkg-query -W -f '${Status}' "${package%%=*}" 2>/dev/null) in
        *' installed') ;;
        *) missing="$missing $package" ;;
      esac
    done
    [ -z "$missing" ] || die "Tasks need packages that are not here; nothing has changed: apt-get install$missing"
  }

  service_here() {
    if [ "$user" = yes ]; then
      service=none
    elif [ -d "$root/run/systemd/system" ] || { [ -n "$root" ] && [ -d "$root/lib/systemd/system" ]; }; then
      service=systemd
    elif [ -x "$root/sbin/openrc-run" ]; then
      service=openrc
    elif [ "$(uname -s)" = Darwin ]; then
      service=launchd
    else
      service=none
    fi
  }

  # Of what comes on standard input.
  sha256() {
    if have sha256sum; then
      sha256sum | cut -d' ' -f1
    elif have shasum; then
      shasum -a 256 | cut -d' ' -f1
    elif have openssl; then
      openssl dgst -sha256 -r | cut -d' ' -f1
    else
      die "Nothing here can check what comes: install sha256sum, shasum or openssl"
    fi
  }

  # One at a time -------------------------------------------------------------------------------------------------

  # What tells a process from any other, also from one that has its number later.
  identity() {
    started=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20) || started=''
    boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) || boot=''
    printf '%s %s %s\n' "$1" "$started" "$boot"
  }

  lock() {
    identity $$ >"$prefix/lock.$$" || die "$prefix can't be written: nothing has changed"
    for try in 1 2 3; do
      if ln "$prefix/lock.$$" "$prefix/lock" 2>/dev/null; then
        rm -f "$prefix/lock.$$"
        locked=yes
        return 0
      fi
      holder=$(cat "$prefix/lock" 2>/dev/null) || continue
      pid=${holder%% *}
      if kill -0 "$pid" 2>/dev/null && [ "$(identity "$pid")" = "$holder" ]; then
        rm -f "$prefix/lock.$$"
        die "Another install is at work here (process $pid): nothing has changed"
      fi
      # Its holder was killed. Who takes it away takes away just that one.
      mv "$prefix/lock" "$prefix/lock.$$.left" 2>/dev/null || continue
      if [ "$(cat "$prefix/lock.$$.left")" != "$holder" ]; then
        ln "$prefix/lock.$$.left" "$prefix/lock" 2>/dev/null || :
      fi
      rm -f "$prefix/lock.$$.left"
    done
    rm -f "$prefix/lock.$$"
    die "The lock $prefix/lock can't be had after $try tries: nothing has changed"
  }

  unlock() {
    [ "$locked" = no ] || rm -f "$prefix/lock"
    locked=no
  }

  # Files -----------------------------------------------------------------------------------------------------------

  hash_of() { if [ -f "$1" ]; then sha256 <"$1"; fi; }

  # To the disk: what is named by a link has to be there before the link is.
  to_disk() { sync "$@" 2>/dev/null || sync; }

  no_room() {
    rm -f "$prefix/files.new" "$prefix/trial.new" "$prefix/placing"
    die "$prefix can't be written: is there room on the disk? What runs has not changed"
  }

  # Notes a path before it is made, so that it can be taken away again. The record is written whole.
  # A line is HASH PATH: what a file was placed with, - for a folder (ending with /) and for a link. In an upgrade that may go
  # back, a file has a line for what it was and one for what it is then.
  note() { # HASH PATH
    [ "$1" != - ] || ! is_noted "- $2" || return 0
    { cat "$prefix/files" 2>/dev/null || :; } | while IFS= read -r line; do
      [ "$line" = "$1 $2" ] || { [ "$trying" = no ] && [ "${line#* }" = "$2" ]; } || printf '%s\n' "$line"
    done >"$prefix/files.new" || no_room
    printf '%s %s\n' "$1" "$2" >>"$prefix/files.new" || no_room
    mv -f "$prefix/files.new" "$prefix/files" || no_room
  }

  is_noted() { # LINE
    [ -f "$prefix/files" ] && grep -qxF -e "$1" "$prefix/files"
  }

  # Leaves one line of each path. Where there is no room for that, it costs nothing but lines.
  note_once() {
    if last_lines >"$prefix/files.new"; then mv -f "$prefix/files.new" "$prefix/files"; else rm -f "$prefix/files.new"; fi
  }

  last_lines() {
    number=1
    paths=$(sed 's/^[^ ]* //' "$prefix/files")
    while IFS= read -r line; do
      number=$((number + 1))
      printf '%s\n' "$paths" | tail -n "+$number" | grep -qxF -e "${line#* }" ||
        printf '%s\n' "$line" || return 1
    done <"$prefix/files"
  }

  # Makes a folder, and those above it.
  folder() {
    if [ -z "$1" ] || [ -d "$1" ]; then return 0; fi
    folder "${1%/*}"
    [ -z "$ready" ] || note - "$1/"
    mkdir "$1" || die "The folder $1 can't be made"
  }

  # Swaps a link by a rename, so that there is no moment without it. Not every mv takes a link to a folder for a link.
  point() { # LINK TO
    rm -f "$1.new"
    ln -s "$2" "$1.new" || die "The link $1 can't be made"
    mv -fT "$1.new" "$1" 2>/dev/null || mv -fh "$1.new" "$1" 2>/dev/null || {
      rm -f "$1"
      mv -f "$1.new" "$1"
    }
  }

  # Places what comes on standard input, whole; what an operator has changed, or put there, stays.
  place() { # MODE PATH
    if [ "$dry" = yes ]; then
      cat >/dev/null
      say "+ write $2"
      return 0
    fi
    if ! (umask 077 && cat >"$prefix/placing"); then no_room; fi
    new=$(hash_of "$prefix/placing") old=$(hash_of "$2")
    if [ -n "$old" ] && [ "$old" != "$new" ] && ! is_noted "$old $2"; then
      warn "$2 was changed here, or is none of ours: it stays as it is"
    elif [ "$old" != "$new" ]; then
      folder "${2%/*}"
      replaced "$2"
      note "$new" "$2"
      # What is noted is taken away, and so is its neighbour.
      if ! (umask 077 && cp "$prefix/placing" "$2.outrider-new") || ! chmod "$1" "$2.outrider-new"; then
        rm -f "$2.outrider-new"
        no_room
      fi
      mv -f "$2.outrider-new" "$2"
    fi
    rm -f "$prefix/placing"
  }

  # Keeps what an upgrade is about to replace, to be put back if it is not well: lines of NUMBER PATH, - where nothing was.
  replaced() { # PATH
    [ "$trying" = yes ] || return 0
    number=-
    if [ -e "$1" ]; then
      number=$(($(wc -l <"$prefix/replaced/list") + 1))
      cp -p "$1" "$prefix/replaced/$number" || no_room
      to_disk "$prefix/replaced/$number"
    fi
    printf '%s %s\n' "$number" "$1" >>"$prefix/replaced/list" || no_room
    to_disk "$prefix/replaced/list"
  }

  do_() {
    if [ "$dry" = yes ]; then say "+ $*"; else "$@"; fi
  }

  # The program -----------------------------------------------------------------------------------------------------

  # Which file, or address, it comes from.
  source_of() {
    beside=''
    case $0 in
      */*.sh) beside=${0%/*}/outrider-$target ;;
      *.sh) beside=./outrider-$target ;;
    esac
    if [ -n "$from" ]; then
      gateway_known || :
      source=$from
    elif [ -n "$beside" ] && [ -f "$beside" ]; then
      source=$beside
    else
      gateway_known || die "The program outrider-$target is not beside this file, and no gateway is known: --gateway URL or --from FILE"
      source=$gateway/v2/$NAME/blobs/sha256:$hash
    fi
  }

  # What this environment, or the configuration that is there, says.
  gateway_known() {
    gateway=$(setting OUTRIDER_GATEWAY)
    gateway=${gateway:-$GATEWAY}
    gateway=${gateway%/}
    case $gateway in
      http://* | https://*) return 0 ;;
      *) return 1 ;;
    esac
  }

  setting() { # NAME
    eval "value=\${$1-}"
    [ -n "$value" ] || value=$(configured "$1")
    printf '%s' "$value"
  }

  configured() { # NAME
    file=$config
    [ -e "$config" ] || file=$settings
    [ -r "$file" ] || return 0
    sed -n "s/^$1=//p" "$file" | tail -n 1 | sed "s/^'\(.*\)'\$/\1/; s/^\"\(.*\)\"\$/\1/"
  }

  token_known() {
    file=$(setting OUTRIDER_TOKEN_FILE)
    if [ -n "$file" ]; then
      token=$(cat "$file") || die "The token can't be read from $file"
    else
      token=$(setting OUTRIDER_TOKEN)
    fi
    case $token in
      *[!A-Za-z0-9._~+/=-]*) die "The token has characters that no token has" ;;
    esac
  }

  # What downloads here. The token goes by a file or a pipe: arguments are for all to see.
  downloader() {
    if have curl; then
      by=curl
    elif have wget && wget --version 2>/dev/null | grep -q GNU; then
      by=wget
    elif have wget && [ -z "$token" ]; then
      by=busybox
    elif have wget; then
      die "This wget would show the token to everybody here: install curl, or put outrider-$target beside this file"
    else
      die "Nothing here can download: install curl or wget, or put outrider-$target beside this file"
    fi
  }

  # One request, from what is there on. With a token no redirect is followed, since it would go along.
  request() { # ADDRESS FILE
    case $by in
      curl)
        set -- "$1" "$2" -fsS -C - --connect-timeout 20 --speed-limit 1 --speed-time 60
        [ -n "$token" ] || set -- "$@" -L
        address=$1 file=$2
        shift 2
        if [ -n "$token" ]; then printf 'header = "Authorization: Bearer %s"\n' "$token"; fi |
          limited curl -K - "$@" -o "$file" "$address"
        ;;
      wget)
        if [ -n "$token" ]; then
          (umask 077 && printf 'header = Authorization: Bearer %s\nmax_redirect = 0\n' "$token" >"$prefix/download/wgetrc")
          WGETRC=$prefix/download/wgetrc && export WGETRC
        fi
        limited wget -nv -c -t 1 -T 60 -O "$2" "$1"
        ;;
      # Without -T, by which some builds of it crash: it waits for at most a quarter of an hour by itself.
      busybox) limited wget -q -c -O "$2" "$1" ;;
    esac
  }

  # A server may send more than there is: no more of it is kept than the program has, and a little.
  limited() {
    (
      ulimit -f $((size / 512 + 2)) 2>/dev/null || :
      exec "$@"
    )
  }

  # As often as it takes, and no longer than something comes: a line that is cut ten times costs each byte once.
  download() { # ADDRESS FILE
    token=''
    case $1 in "${gateway:-none}"/*) token_known ;; esac
    downloader
    without=0
    while [ "$(bytes_of "$2")" -lt "$size" ]; do
      had=$(bytes_of "$2")
      code=0
      request "$1" "$2" 2>"$prefix/download/said" || code=$?
      case $code in
        # curl's and wget's codes for a file that can't be written.
        23 | 3)
          rm -f "$2"
          no_room
          ;;
      esac
      if [ "$(bytes_of "$2")" -gt "$had" ]; then
        without=0
      else
        without=$((without + 1))
        # A server that does not go on where it was cut off begins anew; one that does not want to is not asked again.
        case $code in 33 | 36) rm -f "$2" ;; esac
        [ "$code" != 0 ] || without=5
        if [ "$by$code" = wget6 ] || grep -q ' 40[134]' "$prefix/download/said"; then without=5; fi
        [ "$without" -lt 5 ] ||
          die "The program can't be downloaded from $1: $(tail -n 1 "$prefix/download/said"). What came stays: the next try goes on"
        sleep "$without"
      fi
    done
  }

  bytes_of() { if [ -f "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }

  # Nothing of it is run before this.
  verified() { # FILE
    got=$(hash_of "$1")
    if [ "$got" != "$hash" ] || [ "$(bytes_of "$1")" != "$size" ]; then
      [ "$1" = "$source" ] || rm -f "$1"
      die "What came is not what was promised (SHA-256 $got, not $hash): nothing has changed"
    fi
    trusted_here
  }

  # Each time, also where the program is here already: this file may be another than the one that brought it.
  trusted_here() {
    trusted="$key $(setting OUTRIDER_TRUST | tr ',' ' ')"
    [ -z "${trusted# }" ] || [ "$checked" = yes ] || signed
  }

  # By a key that is trusted here: the program, or this file, which knows the program's hash, or the record of both.
  signed() {
    ! is_signed "$source" || return 0
    ! is_signed "$0" || return 0
    record=${0%/*}/environment.made.json
    [ "$record" != "$0/environment.made.json" ] || record=environment.made.json
    if [ -f "$0" ] && [ -f "$record" ]; then
      ! grep -q "\"$hash\"" "$record" || ! grep -q "\"$(hash_of "$0")\"" "$record" || ! is_signed "$record" || return 0
    fi
    die "Neither the program nor this file is signed by a key that is trusted here (FILE.minisig beside it, or beside environment.made.json): nothing has changed"
  }

  is_signed() { # FILE
    [ -f "$1" ] || return 1
    # One of each key that has signed it, where it was pulled.
    set -- "$1" "$1.minisig" "$1".????????????????.minisig
    [ -f "$2" ] || [ -f "$3" ] || return 1
    # minisign knows nothing of keys that are revoked.
    case $trusted in *!*) ;; *) ! have minisign || {
      by_minisign "$@"
      return
    } ;; esac
    [ -x "$prefix/current/outrider" ] ||
      die "Nothing here can check a signature: install minisign (it takes no !ID in OUTRIDER_TRUST), or use outrider environment install; nothing has changed"
    told=$("$prefix/current/outrider" environment verify "$1" --trust "$(printf '%s' "${trusted# }" | tr ' ' ',')" 2>/dev/null) || return 1
    not_older "$(printf '%s\n' "$told" | sed -n 's/.*: version \([0-9]*\), signed by .*/\1/p')"
  }

  # Than what outrider environment install has taken: it alone keeps that.
  not_older() { # VERSION
    taken=$(sed -n "s/.*\"environment $NAME\":{\"version\":\([0-9]*\).*/\1/p" "$prefix/taken.json" 2>/dev/null) || taken=''
    [ -n "$taken" ] || return 0
    [ "${1:-0}" -ge "$taken" ] ||
      die "It is signed as version ${1:-0} of $NAME, which is older than version $taken, which was installed here before: nothing has changed"
  }

  by_minisign() { # FILE SIGNATURE...
    vouched=$1
    shift
    for each in $trusted; do
      as=-P
      [ ! -f "$each" ] || as=-p
      for signature; do
        if minisign -Vqm "$vouched" -x "$signature" "$as" "$each" >/dev/null 2>&1; then
          not_older "$(sed -n 's/^trusted comment: .*version:\([0-9]*\).*/\1/p' "$signature")"
          return 0
        fi
      done
    done
    return 1
  }

  # The service -----------------------------------------------------------------------------------------------------

  here() { sed "s|@PREFIX@|$where|g; s|@CONFIG@|${config#"$root"}|g; s|@GROUPS@|$(groups_of_devices)|g"; }

  groups_of_devices() {
    for device in $DEVICES; do
      # shellcheck disable=SC2012 # stat has other options on every system, and these names are no strange ones
      [ ! -e "$device" ] || ls -lLd "$device" | awk '$4 != "root" { printf "%s ", $4 }'
    done
  }

  systemd_unit() {
    here <<'TEXT'
@SYSTEMD_UNIT@
TEXT
  }

  openrc_script() {
    here <<'TEXT'
@OPENRC_SCRIPT@
TEXT
  }

  launchd_list() {
    here <<'TEXT'
@LAUNCHD_LIST@
TEXT
  }

  # What was cut off in its trial goes back, before the service starts.
  settle_script() {
    here <<'TEXT'
#!/bin/sh
# Goes back to the version before if an upgrade was cut off in its trial. Run before the service starts.
# With a folder it is the installer itself that asks for it.
cd "${1:-@PREFIX@}" && [ -f trial ] || exit 0
if [ $# = 0 ]; then
  pid=$(cut -d' ' -f1 lock 2>/dev/null)
  boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
  started=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)
  # The install that is at work decides itself.
  if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && [ "$(cat lock)" = "$pid $started $boot" ]; then exit 0; fi
fi
before=$(cat trial)
if [ -d "versions/$before" ]; then
  rm -f settle.new
  ln -s "versions/$before" settle.new
  mv -fT settle.new current 2>/dev/null || mv -fh settle.new current || exit 1
fi
# What it has placed is again what it was.
if [ -f replaced/list ]; then
  while IFS= read -r line; do
    path=${line#* }
    if [ "${line%% *}" = - ]; then
      rm -f "$path" "$path.outrider-new"
    elif cp -p "replaced/${line%% *}" "$path.outrider-new"; then
      mv -f "$path.outrider-new" "$path"
    else
      echo "$path can't be put back: $PWD/replaced/${line%% *} is what it was" >&2
      rm -f "$path.outrider-new"
      exit 1
    fi
  done <replaced/list
  sync
fi
rm -f trial
rm -rf replaced
sync
TEXT
  }

  configuration() {
    cat <<TEXT
# Configuration of Outrider's agent, NAME='value'; an upgrade leaves it as it is. docs/configuration.md tells all there is.
TEXT
    for name in OUTRIDER_GATEWAY OUTRIDER_EXECUTOR_ID OUTRIDER_TOKEN $SECRETS; do
      eval "value=\${$name-}"
      [ -n "$value" ] || say "#$name=''"
    done
    {
      env | sed -n -e 's/^\(OUTRIDER_[A-Z_]*\)=.*/\1/p' -e 's/^\(NETUNICORN_[A-Z_]*\)=.*/\1/p'
      printf '%s\n' "$SECRETS" | tr ' ' '\n' | sed '/^$/d'
    } | LC_ALL=C sort -u | while IFS= read -r name; do
      eval "value=\${$name-}"
      case $value in
        '') ;;
        *"'"* | *'
'*) warn "$name has a quote or more than one line: write it into $config yourself" ;;
        *) say "$name='$(from_root "$name" "$value")'" ;;
      esac
    done
  }

  # A service starts elsewhere: what is named from here has to be named from the root.
  from_root() { # NAME VALUE
    case $1 in
      OUTRIDER_TRUST)
        printf '%s\n' "$2" | tr ',' '\n' | while IFS= read -r part; do
          part=$(printf '%s' "$part" | sed 's/^ *//; s/ *$//')
          if printf '%s\n' "$part" | grep -qE '^(RW[A-Za-z0-9+/]{54}|![0-9A-F]{1,16})?$'; then
            printf '%s\n' "$part"
          else
            path_from_root "$part"
          fi
        done | tr '\n' ',' | sed 's/,$//'
        ;;
      OUTRIDER_TOKEN_FILE | OUTRIDER_PIPELINE | OUTRIDER_STATE_DIR | OUTRIDER_ENVIRONMENT) path_from_root "$2" ;;
      *) printf '%s' "$2" ;;
    esac
  }

  path_from_root() { # PATH
    case $1 in
      '' | /* | *:*) named=$1 ;;
      *) named=$PWD/${1#./} ;;
    esac
    case $service$named in
      systemd/root/* | systemd/home/*) warn "The service can't read $named: put it into /etc, and say so in $config" ;;
    esac
    printf '%s\n' "$named"
  }

  is_configured() {
    [ "$INSIDE" = yes ] || [ -n "$(configured OUTRIDER_GATEWAY)$(configured OUTRIDER_PIPELINE)$(configured NETUNICORN_GATEWAY_ENDPOINT)" ]
  }

  set_up_service() {
    case $service in
      systemd)
        systemd_unit | sed '/^SupplementaryGroups= *$/d' | place 644 "$root/etc/systemd/system/outrider.service"
        ;;
      openrc) openrc_script | place 755 "$root/etc/init.d/outrider" ;;
      launchd) launchd_list | place 644 "$root/Library/LaunchDaemons/outrider.plist" ;;
    esac
  }

  service_user() {
    [ "$service" = openrc ] && [ -z "$root" ] || return 0
    id outrider >/dev/null 2>&1 && return 0
    [ "$dry" = yes ] || note - 'user:outrider'
    if have useradd; then
      do_ useradd -r -s /sbin/nologin -d /nonexistent outrider
    else
      do_ adduser -S -D -H -s /sbin/nologin outrider
    fi
  }

  start_service() {
    [ "$start" = yes ] && is_configured || return 0
    case $service in
      systemd)
        do_ systemctl daemon-reload
        # Before systemctl makes it, so that it is taken away with the rest.
        [ "$dry" = yes ] || note - "/etc/systemd/system/multi-user.target.wants/outrider.service"
        do_ systemctl -q enable outrider.service
        do_ systemctl restart outrider.service
        ;;
      openrc)
        do_ rc-update -q add outrider default
        do_ rc-service outrider restart
        ;;
      launchd)
        do_ launchctl bootout system/outrider 2>/dev/null || :
        do_ launchctl bootstrap system /Library/LaunchDaemons/outrider.plist
        ;;
    esac
  }

  stop_service() {
    [ -z "$root" ] || return 0
    case $service in
      systemd) ! have systemctl || do_ systemctl -q disable --now outrider.service 2>/dev/null || : ;;
      openrc)
        do_ rc-service outrider stop 2>/dev/null || :
        do_ rc-update -q del outrider 2>/dev/null || :
        ;;
      launchd) do_ launchctl bootout system/outrider 2>/dev/null || : ;;
    esac
  }

  runs() {
    case $service in
      systemd) systemctl -q is-active outrider.service ;;
      openrc) rc-service -q outrider status >/dev/null ;;
      launchd) launchctl print system/outrider 2>/dev/null | grep -q 'state = running' ;;
    esac
  }

  # What the service said last, for who has to find out.
  last_words() {
    [ "$service" = systemd ] && [ -z "$root" ] && have journalctl || return 0
    journalctl -q --no-pager -o cat -n 10 -u outrider.service 2>/dev/null | sed 's/^/  /' >&2 || :
  }

  # What the agent tells of its gateway.
  reaches() { grep -q '"reached":true' "$state/gateway.json" 2>/dev/null; }

  # It answers at /livez, and goes on for some seconds. Where it has no end point, it only has to go on. And it reaches the
  # gateway, if it has to.
  healthy() {
    [ -z "$root" ] || return 0
    "$prefix/current/outrider" --version >/dev/null 2>&1 || return 1
    [ "$start" = yes ] && [ "$service" != none ] && is_configured || return 0
    alive=no
    second=0
    while [ "$second" -lt 30 ]; do
      sleep 1
      second=$((second + 1))
      # A pipeline from inside that is already over is well too.
      runs || { ended_well && { [ "$reach" = no ] || reaches; } && return 0; [ "$second" -lt 3 ] || return 1; }
      ! answers || alive=yes
      if [ "$second" -ge 4 ] && runs && { [ "$reach" = no ] || reaches; }; then
        [ "$alive" = no ] || return 0
        [ "$second" -lt 10 ] || [ -r "$state/http.json" ] || return 0
      fi
    done
    return 1
  }

  ended_well() {
    [ "$service" = systemd ] && [ "$(systemctl show -p Result --value outrider.service)" = success ] &&
      [ "$(systemctl show -p ExecMainStatus --value outrider.service)" = 0 ] &&
      [ "$(systemctl show -p ExecMainExitTimestampMonotonic --value outrider.service)" != 0 ] &&
      [ "$(systemctl is-active outrider.service || :)" = inactive ]
  }

  answers() {
    url=$(sed -n 's/.*"url" *: *"\([^"]*\)".*/\1/p' "$state/http.json" 2>/dev/null) || return 1
    case $url in
      http://*)
        if have curl; then
          curl -fsS --noproxy '*' -m 3 "$url/livez" >/dev/null 2>&1
        elif have wget; then
          no_proxy='*' wget -q -T 3 -O /dev/null "$url/livez" 2>/dev/null
        else
          return 0
        fi
        ;;
      *) [ -n "$url" ] ;;
    esac
  }

  # What it does ----------------------------------------------------------------------------------------------------

  # The folder that all else lies in, and the record of it; nothing else is there before.
  begin() {
    made=''
    path=$prefix
    while [ -n "$path" ] && [ ! -d "$path" ]; do
      made="$path/
$made"
      path=${path%/*}
    done
    mkdir -p "$prefix/versions" "$prefix/download" || no_room
    ready=yes
    [ -e "$state" ] || [ -L "$state" ] || new_state=yes
    lock
    if [ ! -f "$prefix/files" ]; then
      printf '%s' "$made" | sed 's/^/- /' >"$prefix/files.new" || no_room
      mv -f "$prefix/files.new" "$prefix/files" || no_room
    fi
    settle
  }

  # What could not be begun leaves nothing, but for what came of the program.
  # shellcheck disable=SC2317 # a trap calls it
  leave() { # CODE
    trap '' INT TERM HUP
    if [ "$locked" = yes ]; then
      rm -f "$prefix"/download/said "$prefix"/download/wgetrc
      rmdir "$prefix/download" 2>/dev/null || :
    fi
    if [ "$1" != 0 ] && [ "$trying" = yes ]; then
      settle
      [ "$began" = no ] || start_service || :
    fi
    if [ "$1" != 0 ] && [ "$what" = install ] && [ "$locked" = yes ] && [ ! -e "$prefix/current" ]; then
      if [ ! -f "$prefix/files" ]; then
        rm -rf "$prefix"
        printf '%s' "$made" | while IFS= read -r path; do rmdir "$path" 2>/dev/null || :; done
      elif [ ! -d "$prefix/download" ]; then
        if [ -n "$new_state" ]; then remove purge; else remove uninstall; fi >/dev/null 2>&1 || :
      fi
    fi
    unlock
  }

  # Goes back: what an install before this one left in its trial, or this one that is not well.
  settle() {
    trying=no
    [ ! -f "$prefix/trial" ] || settle_script | sh -s "$prefix" || die "$prefix can't be put back as it was: is there room on the disk? The next start tries again"
  }

  # From now on all that is placed goes back, but if it is found well.
  begin_trial() { # ID
    before=$(current)
    if [ -z "$before" ] || [ "$before" = "$1" ]; then return 0; fi
    rm -rf "$prefix/replaced"
    mkdir "$prefix/replaced" || no_room
    : >"$prefix/replaced/list" || no_room
    printf '%s\n' "$before" >"$prefix/trial.new" || no_room
    to_disk "$prefix/trial.new" "$prefix/replaced/list"
    mv -f "$prefix/trial.new" "$prefix/trial" || no_room
    trying=yes
  }

  install() {
    target_here
    line=$(printf '%s\n' "$TARGETS" | grep "^$target ") ||
      die "This environment is not made for $target, but for: $(printf '%s\n' "$TARGETS" | cut -d' ' -f1 | tr '\n' ' ')"
    # shellcheck disable=SC2086 # four words, and none has blanks
    set -- $line
    id=$2 hash=$3 size=$4
    packages_here
    source_of
    if [ "$dry" = yes ]; then
      say "+ take $source into $prefix/versions/$id"
    else
      begin
      bring "$id"
      begin_trial "$id"
    fi
    extra_files
    if [ -e "$config" ]; then
      :
    elif [ -n "$settings" ]; then
      place 600 "$config" <"$settings"
    else
      configuration | place 600 "$config"
    fi
    settle_script | place 755 "$prefix/settle"
    service_user
    set_up_service
    link_program
    if [ "$dry" = yes ]; then
      say "+ link $prefix/current to versions/$id"
      start_service
      return 0
    fi
    try "$id"
  }

  # Puts a version where it can be started from; all of it is on the disk before anything names it.
  bring() { # ID
    if [ -d "$prefix/versions/$1" ]; then
      if is_whole "$1"; then
        trusted_here
        return 0
      fi
      [ "$(current)" = "$1" ] || rm -rf "${prefix:?}/versions/$1"
    fi
    program_here
    case $source in
      http://* | https://*)
        part=$prefix/download/$hash
        [ "$(bytes_of "$part")" -le "$size" ] || rm -f "$part"
        download "$source" "$part"
        ;;
      *)
        [ -f "$source" ] || die "There is no file $source"
        part=$source
        ;;
    esac
    verified "$part"
    new=$prefix/versions/$1.new
    rm -rf "$new"
    mkdir "$new" || die "$new can't be made: nothing has changed"
    if ! fill "$new" || [ "$(hash_of "$new/outrider")" != "$hash" ]; then
      rm -rf "$new"
      die "There is no room for $size bytes in $prefix, or the disk does not give them back: nothing has changed"
    fi
    if [ -z "$root" ] && ! said=$("$new/outrider" --version 2>&1); then
      rm -rf "$new"
      die "Outrider does not run here ($target), so nothing has changed: $(printf '%s' "$said" | head -n 3)"
    fi
    # A version that is damaged is changed for a whole one as fast as can be.
    [ ! -d "$prefix/versions/$1" ] || mv "$prefix/versions/$1" "$prefix/versions/$1.damaged"
    mv "$new" "$prefix/versions/$1"
    rm -rf "$prefix/versions/$1.damaged"
    to_disk
  }

  # What would be downloaded is here where another version has the same program: often only what is inside is new.
  program_here() {
    case $source in http://* | https://*) ;; *) return 0 ;; esac
    for each in "$prefix"/versions/*/outrider; do
      [ "$(hash_of "$each")" != "$hash" ] || source=$each
    done
  }

  fill() { # FOLDER
    if [ "$part" = "$source" ]; then
      cp "$part" "$1/outrider" || return 1
    else
      mv "$part" "$1/outrider" || return 1
    fi
    carried >"$1/environment.json" && chmod 755 "$1/outrider" && to_disk "$1/outrider" "$1/environment.json"
  }

  is_whole() { # ID
    [ "$(hash_of "$prefix/versions/$1/outrider")" = "$hash" ] &&
      [ "$(hash_of "$prefix/versions/$1/environment.json")" = "$(carried | sha256)" ]
  }

  current() {
    link=$(readlink "$prefix/current" 2>/dev/null) || link=''
    printf '%s' "${link#versions/}"
  }

  # Has it run; goes back if it is not well.
  try() { # ID
    before=$(current)
    if [ "$before" = "$1" ]; then
      start_service
      healthy || {
        last_words
        die "$VERSION is installed, but is not well"
      }
      finish "$VERSION was installed already in $where"
      return 0
    fi
    # What is to be well has to reach the gateway if what was there before did.
    if [ -n "$before" ] && reaches; then reach=yes; fi
    rm -f "$state/gateway.json"
    began=yes
    point "$prefix/current" "versions/$1"
    if start_service && healthy; then
      [ -z "$before" ] || point "$prefix/previous" "versions/$before"
      trying=no
      rm -f "$prefix/trial"
      to_disk
      rm -rf "$prefix/replaced"
      note_once
      finish "$NAME $VERSION is installed in $where"
      return 0
    fi
    last_words
    if [ -n "$before" ]; then
      settle
      rm -rf "${prefix:?}/versions/$1"
      start_service || :
      [ "$reach" = no ] || [ "$alive" = no ] || die "$VERSION has not reached the gateway, which the version before did: that runs again"
      die "$VERSION is not well here: what was there before runs again"
    fi
    rm -f "$prefix/current"
    die "$VERSION is not well here: nothing of it stays"
  }

  # Only the version before stays beside the one that runs.
  finish() { # WORDS
    previous=$(readlink "$prefix/previous" 2>/dev/null) || previous=''
    for version in "$prefix"/versions/*; do
      case versions/${version##*/} in
        "versions/$(current)" | "$previous") ;;
        *) rm -rf "$version" ;;
      esac
    done
    rm -rf "$prefix/download"
    say "$1"
    if ! is_configured; then
      say "It is not started: say where its gateway is in $config, then run this again (or start its service)"
    elif [ "$service" = none ]; then
      say "No service starts it here: OUTRIDER_ENVIRONMENT=$where/current/environment.json $where/current/outrider agent --supervise --follow"
    fi
  }

  link_program() {
    link=$bin/outrider
    if [ "$dry" = yes ]; then
      say "+ link $link"
      return 0
    fi
    if [ -e "$link" ] || [ -L "$link" ]; then
      [ "$(readlink "$link" 2>/dev/null || :)" = "$where/current/outrider" ] ||
        warn "$link is none of ours: it stays as it is"
      return 0
    fi
    folder "$bin"
    note - "$link"
    point "$link" "$where/current/outrider"
  }

  extra_files() {
    :
    @FILES@
  }

  carried() {
    cat <<'OUTRIDER_CARRIED'
@CARRIED@
OUTRIDER_CARRIED
  }

  rollback() {
    [ -d "$prefix" ] || die "Nothing is installed in $where"
    ready=yes
    lock
    settle
    before=$(readlink "$prefix/previous" 2>/dev/null) || die "There is no version before in $where"
    now=$(readlink "$prefix/current")
    if [ "$dry" = yes ]; then
      say "+ link $prefix/current to $before"
      return 0
    fi
    point "$prefix/current" "$before"
    point "$prefix/previous" "$now"
    to_disk
    start_service
    healthy || {
      last_words
      die "The version before is not well either"
    }
    say "${before#versions/} runs again, which was there before ${now#versions/}"
  }

  verify() {
    [ -d "$prefix" ] || die "Nothing is installed in $where"
    target_here
    now=$(current)
    # shellcheck disable=SC2046 # four words, and none has blanks
    set -- $(printf '%s\n' "$TARGETS" | grep "^$target $now ") || :
    [ $# = 4 ] || die "${now:-Nothing} is installed in $where, which is not $VERSION of $NAME"
    hash=$3
    is_whole "$now" || die "$where/versions/$now was changed: install it again"
    say "$NAME $VERSION is as it was installed, in $where"
  }

  remove() { # uninstall or purge
    [ -d "$prefix" ] || die "Nothing is installed in $where"
    ready=yes
    [ "$locked" = yes ] || [ "$dry" = yes ] || lock
    stop_service
    kept=''
    folders=''
    while IFS= read -r line; do
      path=${line#* }
      case $path in
        "$config")
          if [ "$1" = uninstall ] && [ -e "$path" ]; then kept=$line; else do_ rm -f "$path" "$path.outrider-new"; fi
          ;;
        user:*)
          if [ "$1" = purge ]; then
            do_ userdel "${path#user:}" 2>/dev/null || do_ deluser "${path#user:}" 2>/dev/null || :
          else
            kept="$kept
$line"
          fi
          ;;
        */) folders="$line
$folders" ;;
        *) do_ rm -f "$path" "$path.outrider-new" ;;
      esac
    done <"$prefix/files"
    if [ "$service" = systemd ] && [ -z "$root" ] && have systemctl; then
      do_ systemctl daemon-reload || :
      do_ systemctl -q reset-failed outrider.service 2>/dev/null || :
    fi
    if [ "$1" = purge ]; then
      for path in "$state" "${state%/*}/private/outrider"; do
        # Of systemd, which makes a link where a service has no user of its own.
        if [ -e "$path" ] || [ -L "$path" ]; then do_ rm -rf "$path"; fi
      done
    fi
    if [ "$dry" = yes ]; then
      say "+ remove $prefix"
      return 0
    fi
    if [ -n "$kept" ]; then
      printf '%s\n%s' "$kept" "$folders" | sed '/^$/d' >"$prefix/files.new"
      mv -f "$prefix/files.new" "$prefix/files"
      rm -rf "$prefix/versions" "$prefix/download" "$prefix/current" "$prefix/previous" "$prefix/trial" "$prefix/replaced" "$prefix/placing"
      unlock
      say "$NAME is gone; its configuration $config and its state $state stay (--purge takes them too)"
      return 0
    fi
    # By another name first: who comes now finds nothing, and not half of it.
    mv "$prefix" "$prefix.gone.$$"
    locked=no
    rm -rf "$prefix.gone.$$"
    # Only those that were made for this, and that hold nothing since.
    printf '%s' "$folders" | while IFS= read -r line; do rmdir "${line#* }" 2>/dev/null || :; done
    say "$NAME is gone"
  }

  # The arguments ---------------------------------------------------------------------------------------------------

  what=install dry=no start=yes user=no root='' settings='' from='' key='' target='' checked=no ready='' locked=no new_state='' gateway='' trying=no began=no reach=no alive=no
  while [ $# -gt 1 ]; do
    option=$1
    case $option in
      --gateway=* | --id=* | --token-file=* | --settings=* | --from=* | --key=* | --root=* | --target=*)
        value=${option#*=}
        option=${option%%=*}
        ;;
      --gateway | --id | --token-file | --settings | --from | --key | --root | --target)
        [ $# -gt 2 ] || wrong "$option needs a value"
        shift
        value=$1
        ;;
    esac
    case $option in
      --gateway) export OUTRIDER_GATEWAY="$value" ;;
      --id) export OUTRIDER_EXECUTOR_ID="$value" ;;
      --token-file)
        OUTRIDER_TOKEN=$(cat "$value") || die "The token can't be read from $value"
        export OUTRIDER_TOKEN
        unset OUTRIDER_TOKEN_FILE
        ;;
      --settings)
        [ -r "$value" ] || die "The settings can't be read from $value"
        settings=$value
        ;;
      --from) from=$value ;;
      --key) key=$value ;;
      --root) root=${value%/} ;;
      --target) target=$value ;;
      --rollback | --uninstall | --purge | --verify | --version) what=${option#--} ;;
      --checked) checked=yes ;;
      --user) user=yes ;;
      --no-start) start=no ;;
      --dry-run) dry=yes ;;
      --help | -h) what=help ;;
      *) wrong "There is no option $option" ;;
    esac
    shift
  done
  case $what in
    help)
      usage
      exit 0
      ;;
    version)
      say "$NAME $VERSION"
      exit 0
      ;;
  esac
  PATH=$PATH:/usr/sbin:/sbin
  [ -z "$root" ] || start=no
  if [ "$user" = yes ]; then
    where=${XDG_DATA_HOME:-$HOME/.local/share}/outrider
    prefix=$where bin=$HOME/.local/bin config=${XDG_CONFIG_HOME:-$HOME/.config}/outrider.env
    state=${XDG_STATE_HOME:-$HOME/.local/state}/outrider
  else
    where=/opt/outrider
    prefix=$root$where bin=$root/usr/local/bin config=$root/etc/outrider.env state=$root/var/lib/outrider
    [ "$dry" = yes ] || [ "$(id -u)" = 0 ] || die "Only root may install for all (sudo); --user installs for you alone"
  fi
  service_here
  trap 'leave $?' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  case $what in
    install) install ;;
    rollback) rollback ;;
    verify) verify ;;
    *) remove "$what" ;;
  esac
)
outrider_installer "$@" whole.
