#!/usr/bin/env bash
# Runs a command in a network and process namespace of its own, and sets what programs under test need there. Ports are free,
# and what the command started ends with it. Needs no privileges.
#
#   isolated.sh COMMAND...
set -euo pipefail

if [ "${ISOLATED:-}" != yes ]; then
  export ISOLATED=yes
  exec unshare --user --map-root-user --net --pid --fork --kill-child --mount-proc "$0" "$@"
fi
ip link set lo up
# libnice does not use the loopback interface.
ip link add media0 type veth peer name media1
ip addr add 10.99.0.1/24 dev media0
ip link set media0 up
ip link set media1 up

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export WORK GST_REGISTRY=$WORK/registry XDG_RUNTIME_DIR=$WORK NO_AT_BRIDGE=1 GST_DEBUG_NO_COLOR=1
"$@"
