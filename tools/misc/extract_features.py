"""Extract the features of a folder of videos, as a packed store that any data set config can use.

Examples:
  python tools/misc/extract_features.py videos data/custom/features --extractor DescriptorExtractor
  python tools/misc/extract_features.py videos data/custom/features --extractor ClipExtractor \\
      --cfg-options weights=clip-vit-base-patch32 clip_seconds=0.5
  python tools/misc/extract_features.py videos data/custom/features --extractor TorchvisionVideoExtractor \\
      --cfg-options model=r3d_18 weights=r3d_18-b3b3357e.pth
  # on two machines, each its half; data/custom/features is one store when both are done
  python tools/misc/extract_features.py videos data/custom/features --extractor DescriptorExtractor --shard 0/2
  python tools/misc/extract_features.py videos data/custom/features --extractor DescriptorExtractor --shard 1/2
  # your own: a file with extractor = dict(type=...) and custom_imports
  python tools/misc/extract_features.py videos data/custom/features --extractor my_extractor.py

A run that was stopped goes on where it was. Exit code 1 if a video cannot be decoded; the others are in the store.
"""
import argparse
import os
import sys
from pathlib import Path

from mmengine.config import Config, DictAction

from mmvmr.cli.launch import friendly_errors
from mmvmr.features.folder import extract_folder
from mmvmr.features.stores.packed_store import PackedStore
from mmvmr.features.stores.shards import Shard


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('videos', type=Path, help='folder with <video id>.mp4 and so on, also in subfolders')
    parser.add_argument('target', type=Path, help='folder to write')
    parser.add_argument('--extractor', required=True, help='name of an extractor, or a config file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE',
                        help='arguments of the extractor')
    parser.add_argument('--workers', type=int, default=os.cpu_count(),
                        help='processes, one per core by default; each has its own copy of the network')
    parser.add_argument('--shard', type=Shard.parse, metavar='INDEX/COUNT',
                        help='do this share of the work, e.g. 3/16 for the fourth of 16; others do the rest')
    parser.add_argument('--force', action='store_true', help='replace a store, or this shard of it, that is there')
    args = parser.parse_args(argv)
    if args.workers < 1:
        parser.error(f'--workers must be at least 1, got {args.workers}')
    return args


@friendly_errors
def main(argv=None) -> int:
    args = parse_args(argv)
    file = Config.fromfile(args.extractor) if args.extractor.endswith('.py') else Config()
    config = Config(file.get('extractor', dict(type=args.extractor)))
    config.merge_from_dict(args.cfg_options)
    target = args.shard.folder(args.target) if args.shard else args.target
    failures = extract_folder(args.videos, target, config.to_dict(), args.workers, args.force,
                              file.get('custom_imports', {}).get('imports', ()), args.shard)
    if target.exists():
        store = PackedStore(target)
        print(f'{target}: {len(store.video_ids)} videos, {store.num_rows.sum()} clips of '
              f'{store.manifest["clip_seconds"]:g} s, {store.dim} dimensions.')
    for video, reason in failures.items():
        print(f'left out: {video}\n  {reason}', file=sys.stderr)
    if failures:
        print(f'{len(failures)} videos are left out. Once they are repaired, the same command with --force reads them '
              f'alone; what it needs for that is in {target}.unfinished.', file=sys.stderr)
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
