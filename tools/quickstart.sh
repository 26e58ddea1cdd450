#!/usr/bin/env bash
# From nothing to a trained and tested moment retriever, without any download of data:
# set up an environment, render Moving Shapes, train MCMT, test it, print the score card, draw timelines.
#   bash tools/quickstart.sh [WORK_DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/setup_env.sh

run=${1:-work_dirs/mcmt_moving_shapes}
videos=data/moving_shapes/videos
echo "== 1/4  Rendering Moving Shapes"
mmvmr moving-shapes
echo "== 2/4  Training MCMT into $run"
# five of the six epochs of the config, to be done within some minutes on two cores
mmvmr train mcmt_moving_shapes --work-dir "$run" --resume --cfg-options train_cfg.max_epochs=5
echo "== 3/4  Drawing what it finds in videos that it has not seen"
mmvmr test "$run" >"$run/test.log" 2>&1 || { cat "$run/test.log"; exit 1; }
mmvmr timelines "$run" --videos "$videos" --out "$run/timelines"
echo "== 4/4  The score card"
cat "$run/test.log"
query=$(python -c 'import json; print(json.load(open("data/moving_shapes/test.json"))[0][3])')
cat <<END

Done: the run is in $run, its timelines are in $run/timelines. What now? In this folder:
${VIRTUAL_ENV:+
source ${VIRTUAL_ENV#"$PWD/"}/bin/activate}
mmvmr infer $run $videos/test_0000.mp4 "$query" --html page.html
mmvmr browse $run --videos $videos
mmvmr search index $run $videos videos.index --workers 2
mmvmr search query videos.index "$query"
mmvmr train cpl_moving_shapes
END
