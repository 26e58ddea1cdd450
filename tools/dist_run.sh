#!/usr/bin/env bash
# What dist_train.sh and dist_test.sh share:  bash tools/dist_run.sh TOOL PROCESSES_PER_NODE [ARGUMENTS OF THE TOOL]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
exec python -m torch.distributed.run --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$2" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" "$here/$1" "${@:3}" --launcher pytorch
