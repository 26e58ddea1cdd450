"""Draw timelines of some queries from the predictions of a test.

    python tools/visualization/draw_timelines.py work_dirs/mcmt_moving_shapes/predictions.jsonl \\
        --videos data/moving_shapes/videos --out work_dirs/mcmt_moving_shapes/timelines
"""
import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmvmr.cli.launch import friendly_errors
from mmvmr.evaluation.predictions import read_predictions
from mmvmr.visualization.style import FORMATS, TEXT, save_figure
from mmvmr.visualization.timeline import draw_timeline, find_video, sample_frames


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', type=Path, help='predictions.jsonl of tools/test.py')
    parser.add_argument('--videos', type=Path, help='folder with <video id>.* files, to show frames')
    parser.add_argument('--out', type=Path, required=True, help='folder for the pictures')
    parser.add_argument('--num', type=int, default=8, help='queries, spread evenly over the file')
    parser.add_argument('--format', choices=FORMATS, default='png')
    parser.add_argument('--width', type=float, default=TEXT, help='of the pictures in cm (17.5; a column has 8.5)')
    args = parser.parse_args()
    if args.width < 5:
        parser.error(f'--width is in cm and must be 5 or more, to leave room for words; got {args.width}')
    return args


@friendly_errors
def main() -> None:
    args = parse_args()
    table = read_predictions(args.predictions)
    chosen = np.unique(np.linspace(0, len(table) - 1, args.num).round().astype(int))
    for row in tqdm(table.iloc[chosen].itertuples(), total=len(chosen), desc='Drawing timelines'):
        file = find_video(args.videos, row.video_id) if args.videos else None
        figure = draw_timeline(row.query, row.duration, row.pred_spans, row.gt_spans,
                               sample_frames(file) if file else None, title=row.video_id, width=args.width)
        save_figure(figure, args.out / f'{row.sample_idx:05d}_{row.video_id}.{args.format}')


if __name__ == '__main__':
    main()
