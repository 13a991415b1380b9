#!/usr/bin/env bash
# Runs launch lines of the README as they stand there, under a virtual screen. To be run by isolated.sh.
#
#   pasted-lines.sh SERVER SEND RECEIVE...
#
# SERVER is the signalling server's program. SEND runs first; each RECEIVE runs beside it with ID replaced by the
# producer's, until its sink has rendered pictures. Prints a line for each; fails when one does not come to that.
set -euo pipefail

server=$1 send=$2 work=$WORK
shift 2

wait_for() { # seconds, command...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}

WEBRTCSINK_SIGNALLING_SERVER_LOG=info "$server" >"$work/server.log" 2>&1 &
wait_for 20 grep -q "Listening on" "$work/server.log"
bash -c "exec $send" >"$work/send.log" 2>&1 &
producer() { grep 'registered as' "$work/server.log" | grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' | head -n 1; }
has_producer() { [ -n "$(producer)" ]; }
wait_for 60 has_producer || { cat "$work/send.log" "$work/server.log" >&2; exit 1; }
id=$(producer)

rendered() { [ "$(grep -c 'rendering object' "$work/receive.debug" 2>/dev/null)" -ge 20 ]; }
for receive in "$@"; do
  : >"$work/receive.debug"
  GST_DEBUG=basesink:6 GST_DEBUG_FILE=$work/receive.debug \
    xvfb-run --auto-servernum bash -c "exec ${receive//ID/$id}" >"$work/receive.log" 2>&1 &
  child=$!
  if ! wait_for 90 rendered; then
    echo "no pictures: $receive" >&2
    cat "$work/receive.log" "$work/send.log" >&2
    exit 1
  fi
  echo "pictures: $receive"
  kill "$child" 2>/dev/null || true
  wait "$child" 2>/dev/null || true
  pkill -f gst-launch-1.0.*"$id" 2>/dev/null || true
done
