#!/usr/bin/env bash
# Runs two launch lines as they stand in the documentation, under a virtual screen, until pictures are shown. To be run by
# isolated.sh.
#
#   pasted-pair.sh PORT SERVER CLIENT
#
# CLIENT starts once SERVER listens on PORT. Either may be the one that shows.
set -euo pipefail

port=$1 server=$2 client=$3

wait_for() { # seconds, command...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}

start() { # name, line
  GST_DEBUG=basesink:6 GST_DEBUG_FILE=$WORK/$1.debug xvfb-run --auto-servernum bash -c "exec $2" >"$WORK/$1.log" 2>&1 &
}

fail() { # why
  echo "$1: $server / $client" >&2
  cat "$WORK"/*.log >&2
  exit 1
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
rendered() { [ "$(cat "$WORK"/*.debug 2>/dev/null | grep -c 'rendering object')" -ge 20 ]; }

start server "$server"
wait_for 60 listens || fail "nobody listens on $port"
start client "$client"
wait_for 90 rendered || fail "no pictures"
echo "pictures: $server / $client"
