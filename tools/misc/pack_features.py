"""Resample the features of all videos once and pack them into one memory-mapped store.

Examples:
  python tools/misc/pack_features.py i3d.hdf5 data/charades_sta/features --num-clips 200 --extractor "I3D (LGI)"
  python tools/misc/pack_features.py sub_activitynet_v1-3.c3d.hdf5 data/activitynet_captions/features --dtype float16
  python tools/misc/pack_features.py folder_of_npy data/custom/features --num-clips 64
  # the fourth of 16 machines; data/custom/features is one store when all are done
  python tools/misc/pack_features.py folder_of_npy data/custom/features --num-clips 64 --shard 3/16
"""
import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from mmvmr.features.stores.feature_store import open_feature_store, write_packed_store
from mmvmr.features.stores.shards import Shard


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, help='HDF5 file (one dataset per video, or id/c3d_features), folder of '
                                                  '<id>.npy, or a packed store that kept all rows')
    parser.add_argument('target', type=Path, help='folder to write')
    parser.add_argument('--num-clips', type=int, default=200,
                        help='T, clips per video (default 200); 0 keeps all rows and resamples when they are read')
    parser.add_argument('--dtype', choices=['float32', 'float16'], default='float32',
                        help='float16 halves size and reading time')
    parser.add_argument('--extractor', help='what made the features, for the manifest')
    parser.add_argument('--weights-sha256', help="sha256 of the extractor's weights, for the manifest")
    parser.add_argument('--fps', type=float, help='frames per second that the extractor saw, for the manifest')
    parser.add_argument('--stride', type=float, help='frames between two rows of the source, for the manifest')
    parser.add_argument('--shard', type=Shard.parse, metavar='INDEX/COUNT',
                        help='pack this share of the videos, e.g. 3/16 for the fourth of 16; others pack the rest')
    parser.add_argument('--force', action='store_true', help='replace a store, or this shard of it, that is there')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    if args.source.resolve() == args.target.resolve():
        raise ValueError(f'{args.source} is both source and target: the original features would be lost. Give another '
                         'target.')
    source = open_feature_store(args.source)
    if getattr(source, 'num_clips', None):
        raise ValueError(f'{args.source} is already resampled to {source.num_clips} clips: pack the original features.')
    given = dict(extractor=args.extractor, weights_sha256=args.weights_sha256, fps=args.fps, stride=args.stride)
    manifest = dict(getattr(source, 'manifest', {}), source=args.source.name)  # keeps what extract_features.py says
    manifest.update((key, value) for key, value in given.items() if value is not None)
    for key in Shard(0, 1).entries([]):
        manifest.pop(key, None)  # the source may be in shards, which are not those of the target
    target, video_ids = args.target, source.video_ids
    if args.shard:
        target, video_ids = args.shard.folder(target), args.shard.take(video_ids)
        manifest.update(args.shard.entries(source.video_ids))
    videos = tqdm(video_ids, desc='Packing videos', unit='video')
    store = write_packed_store(target, ((video_id, source.read(video_id)) for video_id in videos),
                               args.num_clips or None, args.dtype, manifest, overwrite=args.force)
    print(f'{target}: {len(store.video_ids)} videos, {store.dim} dimensions, {store.nbytes / 2**30:.2f} GiB.')


if __name__ == '__main__':
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
