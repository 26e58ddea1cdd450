#!/usr/bin/env bash
# Train with several processes: one per GPU, or on CPUs where there is none.
#   bash tools/dist_train.sh CONFIG GPUS [ARGUMENTS OF train.py]
# On several machines, run it on each, with NNODES, NODE_RANK (0, 1, ...), MASTER_ADDR and PORT in the environment.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,4s/^# //p' "$0"; exit 1; }
exec bash "$(dirname "$0")/dist_run.sh" train.py "$2" "$1" "${@:3}"
