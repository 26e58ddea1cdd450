"""Make a page to look at what a trained model does: one HTML file that opens from disk.

    python tools/visualization/browse_results.py work_dirs/cpl_moving_shapes --videos data/moving_shapes/videos

It shows the validation split. The test split is shown after tools/test.py has opened it: its predictions must be there.
The folder of a run holds its config. A config is Python and is run: read one from a stranger before you use it.
"""
import argparse
from pathlib import Path
from typing import Iterator

from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader
from tqdm import tqdm

from mmvmr.cli.launch import friendly_errors, read_config
from mmvmr.engine.checkpoint import find_weights, load_weights
from mmvmr.evaluation.predictions import read_predictions
from mmvmr.features.folder import find_videos
from mmvmr.registry import MODELS
from mmvmr.visualization.explanation import explain
from mmvmr.visualization.page import write_page


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('run', type=Path, help='folder of a run: its config, and its best checkpoint, else its newest')
    parser.add_argument('--config', help='config file (that in the folder of the run)')
    parser.add_argument('--split', choices=['val', 'test'], default='val')
    parser.add_argument('--predictions', type=Path, help='for the test split: predictions.jsonl of tools/test.py '
                        '(that in the folder of the run)')
    parser.add_argument('--videos', type=Path, help='folder of videos named by their ids, to play them and show frames')
    parser.add_argument('--frames', type=int, default=32, help='pictures per video in the page, 0 for none (32)')
    parser.add_argument('--num', type=int, help='the first NUM queries only')
    parser.add_argument('--out', type=Path, help='the page (page_<split>.html in the folder of the run)')
    parser.add_argument('--force', action='store_true', help='replace an existing page')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='change the config')
    args = parser.parse_args()
    if args.frames < 0 or (args.num is not None and args.num < 1):
        parser.error(f'--num must be 1 or more and --frames 0 or more, got {args.num} and {args.frames}')
    return args


def find_run_config(run: Path, split: str) -> str:
    """The config in the folder of a run that knows a split: a training does not know the test split, nor a test others.

    Raises:
        FileNotFoundError: If there is none.
    """
    logged = sorted(run.glob('*/vis_data/config.py'), reverse=True)  # one of each training and test, named by its time
    for file in [*sorted(run.glob('*.py')), *logged]:
        if f'{split}_dataloader' in Config.fromfile(file):
            return str(file)
    raise FileNotFoundError(f'No config in "{run}" says where the {split} split is. Give one with --config.')


def check_same_queries(loader: DataLoader, predictions: Path) -> None:
    """Refuse predictions that are no proof that this test split has been opened."""
    queries = [pair['query'] for pair in loader.dataset.data_list]
    if read_predictions(predictions)['query'].tolist() != queries:
        raise ValueError(f'"{predictions}" is about other queries than the test split of this run.')


def explain_all(config: Config, weights: str, loader: DataLoader, num: int) -> Iterator[dict]:
    """The records of the first ``num`` pairs, batch by batch as in a test."""
    model = MODELS.build(config.model)
    load_weights(model, weights)
    model.to(get_device())
    words, left = loader.dataset.vocabulary.words, num
    with tqdm(total=num, desc='Explaining queries', unit='query') as progress:
        for batch in loader:
            records = explain(model, batch['inputs'], batch['data_samples'], words)[:left]
            yield from records
            progress.update(len(records))
            left -= len(records)
            if left == 0:
                return


@friendly_errors
def main() -> None:
    args = parse_args()
    out = args.out or args.run / f'page_{args.split}.html'
    if out.exists() and not args.force:
        raise FileExistsError(f'"{out}" exists. Give another file with --out, or replace it with --force.')
    predictions = args.predictions or args.run / 'predictions.jsonl'
    if args.split == 'test' and not predictions.is_file():
        raise FileNotFoundError(
            f'The test split is opened by tools/test.py alone, and its predictions are not at "{predictions}". Look '
            'at the validation split while choices are open; then test, or give the file with --predictions.')
    weights = find_weights(args.run)
    config = read_config(args.config or find_run_config(args.run, args.split), args.cfg_options)
    init_default_scope('mmvmr')
    videos = find_videos(args.videos) if args.videos else None
    loader = Runner.build_dataloader(config[f'{args.split}_dataloader'])
    if args.split == 'test':
        check_same_queries(loader, predictions)
    num = min(args.num or len(loader.dataset), len(loader.dataset))
    title = next((file.stem for file in sorted(args.run.glob('*.py'))), args.run.name)
    note = f'{loader.dataset.metainfo["protocol"]} · {args.split} split · {Path(weights).name}'
    write_page(out, explain_all(config, weights, loader, num), title, note, videos, args.frames)
    print(f'The page of {num} queries is at {out}')


if __name__ == '__main__':
    main()
