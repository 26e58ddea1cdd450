"""What a data set refuses: files that are absent, features of other sizes, pairs of another protocol."""
import logging
from pathlib import Path
from typing import Any, Optional, Sequence

from mmengine.logging import print_log

from mmvmr.datasets.annotations import Pairs
from mmvmr.datasets.pinned import compare_with_pin, find_pin, pinned_as


def check_choice(name: str, value: Optional[str], choices: Sequence[Optional[str]]) -> None:
    """Refuse a value that is not one of the choices."""
    if value not in choices:
        raise ValueError(f'{name} must be one of {", ".join(map(repr, choices))}, got {value!r}.')


def check_files(paths: Sequence[str], dataset: str, hint: str) -> None:
    """Refuse absent files, all at once.

    Args:
        dataset: Name of the data set.
        hint: Where its files come from.
    """
    absent = [path for path in paths if not Path(path).exists()]
    if absent:
        raise FileNotFoundError(
            '\n  '.join([f'{dataset} needs files that are not there (seen from {Path.cwd()}):', *absent])
            + f'\n{hint}\nWithout any download: mmvmr train mcmt_moving_shapes, which renders its own videos.')


def check_store(store: Any, feature_dim: Optional[int], num_clips: Optional[int], resident: bool) -> None:
    """Refuse a feature store of other sizes."""
    if feature_dim not in (None, store.dim):
        raise ValueError(f'The features in "{store.path}" have {store.dim} dimensions, the config expects '
                         f'feature_dim={feature_dim}. Choose the right file; for other features, add '
                         f'--cfg-options dataset.feature_dim={store.dim}.')
    packed = getattr(store, 'num_clips', None)
    if resident and packed is None:
        raise ValueError(f'resident=True needs a packed store with a fixed number of clips, "{store.path}" is none. '
                         f'Pack the features with `mmvmr pack --num-clips {num_clips}`.')
    if packed not in (None, num_clips):
        raise ValueError(f'"{store.path}" was packed with {packed} clips per video, the config asks for '
                         f'num_clips={num_clips}. Add --cfg-options dataset.num_clips={packed}, or pack again with '
                         f'--num-clips {num_clips}.')


def check_protocol(pairs: Pairs, expected: Optional[int], protocol: str, part: str, dataset: str,
                   ann_file: str) -> str:
    """Refuse other pairs than those of the protocol; returns a remark for its name where a few differ.

    Args:
        expected: How many pairs the part has, if that is known.
        protocol: ``slug/name``.
        part: 'train', 'val' or 'test'.
        dataset: Name of the data set.
    """
    pin = find_pin(protocol, part)
    if expected is not None and pin is not None and pin.pairs == expected <= len(pairs):
        remark = compare_with_pin(pairs, pin, ann_file)
        if remark:
            print_log(f'"{ann_file}" is the {part} file of {protocol} with corrections, such as swapped ends: about '
                      f'{remark[1:-1]}. Its results are named so.', 'current', logging.WARNING)
        return remark
    if expected not in (None, len(pairs)):
        raise ValueError(f'Protocol "{protocol.split("/")[1]}" of {dataset} has {expected} pairs in its {part} file, '
                         f'but "{ann_file}" gives {len(pairs)}. Use the complete file, or add --cfg-options '
                         'dataset.protocol=None, whose numbers may not stand beside published ones.')
    other = pinned_as(pairs, protocol.split('/')[0]) if expected is None else None
    if other is not None:
        raise ValueError(f'"{ann_file}" has the pairs of {other}, not those of {protocol}, which come in a file of '
                         f'their own. Give it by --cfg-options {part}_dataloader.dataset.ann_file=FILE, or choose the '
                         f'protocol {other.split()[0].split("/")[1]}.')
    return ''
