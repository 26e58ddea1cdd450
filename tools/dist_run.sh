#!/usr/bin/env bash
# What dist_train.sh and dist_test.sh share:  bash tools/dist_run.sh TOOL PROCESSES_PER_NODE [ARGUMENTS OF THE TOOL]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
first=${MASTER_ADDR:-127.0.0.1}
# The address by which the first node sees this one: names of machines often lead nowhere, or to another network.
address=$(python -c 'import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # sends nothing
    probe.connect((sys.argv[1], 9))
    print(probe.getsockname()[0])' "$first") || { echo "MASTER_ADDR=$first cannot be reached from here." >&2; exit 1; }
# Processes that are restarted must not find the addresses of those before them: a new store for each attempt.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
export LAUNCH_TIME=$(date +%s)  # a restart goes on from checkpoints that have been written since
exec python -m torch.distributed.run --nnodes="${NNODES:-1}" --nproc_per_node="$2" --max_restarts="${MAX_RESTARTS:-0}" \
    --rdzv_backend=c10d --rdzv_endpoint="$first:${PORT:-29500}" --rdzv_id="${RUN_ID:-mmvmr}" --local_addr="$address" \
    --rdzv_conf="is_host=$([ "${NODE_RANK:-0}" = 0 ] && echo 1 || echo 0)" "$here/$1" "${@:3}" --launcher pytorch
