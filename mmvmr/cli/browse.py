"""Make a page to look at what a trained model does: one HTML file that opens from disk.

    mmvmr browse work_dirs/cpl_moving_shapes --videos data/moving_shapes/videos
    mmvmr browse work_dirs/cpl_moving_shapes --against work_dirs/cnm_moving_shapes
    mmvmr browse zero_shot_otsu_qvhighlights --split test  # nothing was trained: the config is the model

It shows the validation split. The test split is shown after `mmvmr test` has opened it: its predictions must be there.
The folder of a run holds its config. A config is Python and is run: read one from a stranger before you use it.
"""
import argparse
from pathlib import Path
from typing import Any, Optional, Tuple, Union

from mmvmr.cli.main import CHOSEN, Parser, add_config_options, at_least
from mmvmr.engine.run.places import find_config, find_model
from mmvmr.utils.files import check_output


def add_arguments(parser: Parser) -> None:
    parser.add_argument('run', type=Path, help=f'folder of a run: its config, and {CHOSEN}; or a '
                        'checkpoint in it; or the config of a model that has nothing to learn')
    parser.add_argument('--config', help='config file or name (that in the folder of the run)')
    parser.add_argument('--split', choices=['val', 'test'], default='val')
    parser.add_argument('--predictions', type=Path, help='for the test split: predictions.jsonl of `mmvmr test` (that '
                        'of the run without changes)')
    parser.add_argument('--against', type=Path, metavar='RUN', help='folder of another run, to see what it finds for '
                        'the same queries')
    parser.add_argument('--videos', type=Path, help='folder of videos named by their ids, to play them and show frames')
    parser.add_argument('--frames', type=at_least(0), default=32, help='pictures per video, 0 for none (32)')
    parser.add_argument('--num', type=at_least(1), help='the first NUM queries only')
    parser.add_argument('--out', type=Path, help='the page (page_<split>.html in the folder of the run, or in the '
                        'work dir of the config)')
    parser.add_argument('--force', action='store_true', help='replace an existing page')
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    models = [find_model(name) for name in (args.run, args.against) if name]
    if args.config:
        models[0] = find_config(args.config), models[0][1]
    if args.out:
        check_output(args.out, args.force)
    from mmengine.registry import init_default_scope

    from mmvmr.engine.checkpoint import find_weights
    from mmvmr.engine.run.config import parse_options, read_config
    from mmvmr.engine.run.runner import MomentRunner
    from mmvmr.engine.run.sizes import check_untrained, fill_sizes
    from mmvmr.engine.run.testing import find_predictions
    from mmvmr.features.folder import find_videos
    from mmvmr.visualization.browsing import beside, check_same_queries, explain_all
    from mmvmr.visualization.page import write_page

    def open_model(path: str, found: Union[str, Path, None]) -> Tuple[Any, Optional[str], Path]:
        """Config, weights and folder of a model."""
        config = read_config(path, parse_options(args.cfg_options))
        if found is None:
            check_untrained(config, 'What is to be shown?')
            return config, None, Path(config.work_dir)
        return config, find_weights(found), Path(found) if Path(found).is_dir() else Path(found).parent

    config, weights, folder = open_model(*models[0])
    out = args.out or folder / f'page_{args.split}.html'
    check_output(out, args.force)
    if config.get(f'{args.split}_dataloader') is None:
        other = '' if args.split == 'test' else ' The test split, after a test, is shown with --split test.'
        raise ValueError(f'"{config.filename}" does not say where the {args.split} split is.{other} Or give the config '
                         'of the run with --config.')
    init_default_scope('mmvmr')
    predictions = args.predictions or (find_predictions(folder) if args.split == 'test' else None)
    videos = find_videos(args.videos) if args.videos else None
    loader = MomentRunner.build_dataloader(config[f'{args.split}_dataloader'])
    if predictions:
        check_same_queries(loader, predictions)
    fill_sizes(config)
    num = min(args.num or len(loader.dataset), len(loader.dataset))
    note = (f'{loader.dataset.metainfo["protocol"]} · {args.split} split · '
            + ('nothing trained' if weights is None else Path(weights).name))
    title = f'{Path(config.filename).stem} · {folder.resolve().name}'
    records = explain_all(config, weights, loader, num)
    if args.against:
        other, other_weights, other_folder = open_model(*models[1])
        fill_sizes(other)
        others = MomentRunner.build_dataloader(other[f'{args.split}_dataloader'])
        if predictions:
            check_same_queries(others, find_predictions(other_folder))
        records = beside(records, explain_all(other, other_weights, others, num))
        note += f' · beside {other_folder.resolve().name}'
    write_page(out, records, title, note, videos, args.frames)
    print(f'The page of {num} queries is at {out}')
