#!/bin/sh
# Reads how full the file systems are, and tells the worker task `watch` of each by way of the store. Run with --serve.
set -eu

# Asks the executor that runs us: outrider METHOD PATH [curl's options].
outrider() {
  method=$1
  path=$2
  shift 2
  curl --silent --show-error --fail ${OUTRIDER_SOCKET:+--unix-socket "$OUTRIDER_SOCKET"} \
    --header "Authorization: Bearer $OUTRIDER_TOKEN" --request "$method" "$@" "$OUTRIDER_URL$path"
}

echo "parameters: $(cat "$OUTRIDER_PARAMS")"

# Waits until the worker says that it listens: its key is there.
outrider GET "/store/listening?wait=20s&since=0" > /dev/null

count=0
for line in $(df -P / /tmp | awk 'NR > 1 { print $6 "=" $5 }' | sort -u); do
  # The body is JSON: the number of percent, without the sign.
  outrider PUT "/store/disk${line%%=*}?as=json" --data "$(echo "${line#*=}" | tr -d '%-' | sed 's/^$/0/')"
  count=$(outrider POST /store/disks/increment | sed 's/.*"value":\([0-9]*\).*/\1/')
done

outrider POST /events --json "{\"type\":\"disks\",\"detail\":$count}" > /dev/null

# What is written here is the value of the task.
echo "{\"disks\": $count}" > "$OUTRIDER_OUTPUT"
