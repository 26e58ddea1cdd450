#!/usr/bin/env bash
# From nothing to a trained and tested moment retriever, without any download of data:
# set up an environment, render Moving Shapes, train MCMT, test it, print the score card, draw timelines.
#   bash tools/quickstart.sh [WORK_DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/setup_env.sh

config=configs/mcmt_moving_shapes.py
work_dir=${1:-work_dirs/quickstart}

echo "== 1/4  Rendering Moving Shapes"
python tools/dataset_converters/moving_shapes.py
echo "== 2/4  Training MCMT ($config) into $work_dir"
# five of the six epochs of the config, to be done within some minutes on two cores
python tools/train.py "$config" --work-dir "$work_dir" --resume --cfg-options train_cfg.max_epochs=5
echo "== 3/4  Testing on videos that training has not seen"
python tools/test.py "$config" "$work_dir" --work-dir "$work_dir"
echo "== 4/4  Drawing timelines"
python tools/visualization/draw_timelines.py "$work_dir/predictions.jsonl" --videos data/moving_shapes/videos \
    --out "$work_dir/timelines"
echo "Done. The score card is above and in $work_dir; the timelines are in $work_dir/timelines."
