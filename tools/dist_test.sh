#!/usr/bin/env bash
# Test with several processes: one per GPU, or on CPUs where there is none.
#   bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [ARGUMENTS OF test.py]
# On several machines, run it on each, with NNODES, NODE_RANK (0, 1, ...), MASTER_ADDR and PORT in the environment.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,4s/^# //p' "$0"; exit 1; }
exec bash "$(dirname "$0")/dist_run.sh" test.py "$3" "$1" "$2" "${@:4}"
