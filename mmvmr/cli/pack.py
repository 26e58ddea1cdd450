"""Resample the features of all videos once and pack them into one memory-mapped store.

    mmvmr pack i3d.hdf5 data/charades_sta/features --num-clips 200 --extractor "I3D (LGI)"
    mmvmr pack sub_activitynet_v1-3.c3d.hdf5 data/activitynet_captions/features --dtype float16
    mmvmr pack folder_of_npy data/custom/features --num-clips 64
    # two streams, each L2-normalised, side by side
    mmvmr pack slowfast clip data/custom/features --num-clips 75 --normalize
    # the fourth of 16 machines; data/custom/features is one store when all are done
    mmvmr pack folder_of_npy data/custom/features --num-clips 64 --shard 3/16
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, at_least
from mmvmr.features.stores.shards import Shard
from mmvmr.utils.files import check_writable


def add_arguments(parser: Parser) -> None:
    parser.add_argument('source', nargs='+', help='HDF5 file, folder of <id>.npy, .npz or .pt, file with an array per '
                                                  'video, or a packed store that kept all rows; several are put '
                                                  'side by side')
    parser.add_argument('target', type=Path, help='folder to write')
    parser.add_argument('--num-clips', type=at_least(0), default=200,
                        help='T, clips per video (200); 0 keeps all rows and resamples when they are read')
    parser.add_argument('--key', help='which array or group holds the features, where it cannot be told')
    parser.add_argument('--normalize', action='store_true', help='divide each row of each source by its L2 norm')
    parser.add_argument('--dtype', choices=['float32', 'float16'], default='float32',
                        help='float16 halves size and reading time')
    parser.add_argument('--extractor', help='what made the features, for the manifest')
    parser.add_argument('--weights-sha256', help="sha256 of the extractor's weights, for the manifest")
    parser.add_argument('--fps', type=at_least(1e-3, float),
                        help='frames per second that the extractor saw, for the manifest')
    parser.add_argument('--stride', type=at_least(1e-3, float),
                        help='frames between two rows of the source, for the manifest')
    parser.add_argument('--shard', type=Shard.parse, metavar='INDEX/COUNT',
                        help='pack this share of the videos, e.g. 3/16 for the fourth of 16; others pack the rest')
    parser.add_argument('--force', action='store_true', help='replace a store, or this shard of it, that is there')


def run(args: argparse.Namespace) -> None:
    check_writable(args.target)
    from mmvmr.features.stores.packing import pack_features
    given = dict(extractor=args.extractor, weights_sha256=args.weights_sha256, fps=args.fps, stride=args.stride)
    source = [dict(path=path, key=args.key, normalize=args.normalize) for path in args.source]
    store = pack_features(source, args.target, args.num_clips or None, args.dtype,
                          {key: value for key, value in given.items() if value is not None}, args.shard, args.force)
    print(f'{store.path}: {len(store.video_ids)} videos, {store.dim} dimensions, {store.nbytes / 2**30:.2f} GiB.')
