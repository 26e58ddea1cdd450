#!/usr/bin/env bash
# Run all tests, on a fresh machine too: sets up an environment first (see tools/setup_env.sh).
#   bash tests/run.sh [PYTEST ARGUMENTS]
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/setup_env.sh tests docs serve onnx

# one thread per test process: the processes share the cores
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
python -m pytest -n "$(python -c 'import os; print(len(os.sched_getaffinity(0)))')" "$@"
