"""Files that were damaged at random: each is read as before, or refused with an error of ours; nothing else happens.

MMVMR_DAMAGES=2000 python -m pytest -s tests/faults/test_damaged_files.py    # far more of them than by default
"""
import faulthandler
import json
import os
import pickle
import random
import sys
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from parts import METHODS
from tiny import make_tiny_dataset
from videos import grey, write_frames

from mmvmr.datasets.activitynet_captions import ActivityNetCaptions
from mmvmr.datasets.charades_sta import CharadesSTA
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.datasets.tacos import TACoS
from mmvmr.engine.checkpoint import load_checkpoint
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.input_recipe import RECIPE, InputRecipe
from mmvmr.evaluation.predictions import read_predictions
from mmvmr.features.stores.feature_store import open_feature_store, write_packed_store
from mmvmr.features.video import probe_video, read_frames
from mmvmr.text.encoders.word_vectors import WordVectors
from mmvmr.text.vocabulary import Vocabulary
from mmvmr.text.word_vectors import read_glove_pickle

DAMAGES = int(os.environ.get('MMVMR_DAMAGES', 40))
SECONDS = 60  # that reading one of these small files may take, on the slowest machine
CONTAINERS = dict(mp4='libx264', mkv='libx264', webm='libvpx', avi='mpeg4', ts='mpeg4')
READERS = ('json_list', 'charades_text', 'charades_durations', 'activitynet', 'tacos', 'hdf5', 'npy', 'manifest',
           'index', 'packed', 'vocabulary', 'glove', 'checkpoint', 'predictions', 'input_recipe', 'config', *CONTAINERS)
WEIGHTS = dict(state_dict=dict(weight=torch.arange(900.0)), meta=dict(epoch=1, iter=4))
TOKENS = (b'null', b'-1', b'NaN', b'1e999', b'[]', b'{}', b'""', b'"\xff"', b'true', b'9' * 20, b'[' * 5000)


def damage(content: bytes, rng: random.Random) -> bytes:
    """Cut off, flip bits, remove, insert, blank, turn round, or replace by something that a text might hold."""
    place, length = rng.randrange(len(content)), rng.choice([1, 8, 100, 1000])
    before, after = content[:place], content[place + length:]
    flipped = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 30])):
        flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return rng.choice([b'', before, bytes(flipped), before + after, before + rng.randbytes(length) + content[place:],
                       before + bytes(length) + after, content[place:] + before,
                       before + rng.choice(TOKENS) + content[place + rng.choice([0, 1, 3]):]])


def read_dataset(dataset):
    """All pairs have to make sense."""
    dataset.full_init()
    for pair in dataset.data_list:
        assert 0 < pair['duration'] < float('inf') and pair['query'].strip()
        assert all(0 <= start <= end <= pair['duration'] for start, end in pair['spans'])


def read_store(path):
    """All clips have to be numbers."""
    store = open_feature_store(path)
    for video_id in store.video_ids:
        clips = store.read_clips([video_id], 16)
        assert clips.shape == (1, 16, store.dim)


def read_weights(path):
    """A checkpoint with other weights than were saved must never be taken for one."""
    assert torch.equal(load_checkpoint(path)['state_dict']['weight'], WEIGHTS['state_dict']['weight'])


def read_video(path):
    """All pictures have one size."""
    info = probe_video(path)
    assert info.duration > 0 and len({picture.shape for _, picture in read_frames(path, rate=2)}) == 1


@pytest.fixture(scope='module')
def readers(tmp_path_factory):
    """By name, a good file and the function that reads it."""
    root = tmp_path_factory.mktemp('files')
    tiny = make_tiny_dataset(root / 'tiny')
    (root / 'charades.txt').write_text('\n'.join(f'V{n} 1.{n} 9.5##a person opens the door.' for n in range(40)))
    (root / 'charades.csv').write_text('\n'.join(['id,length', *(f'V{n},30.{n}' for n in range(40))]))
    events = dict(timestamps=[[1, 20], [30, 40]], sentences=['a man runs.', 'he stops.'])
    (root / 'activitynet.json').write_text(json.dumps({f'v_{n}': dict(events, duration=50.5) for n in range(20)}))
    (root / 'tacos.json').write_text(
        json.dumps({f's{n}.avi': dict(events, num_frames=3000, fps=29.4) for n in range(20)}))
    rows = {f'v{n}': np.random.default_rng(n).random((20, 8), np.float32) for n in range(10)}
    write_packed_store(root / 'packed', rows, num_clips=16)
    (root / 'npy').mkdir()
    np.save(root / 'npy' / 'v0.npy', rows['v0'])
    words = {f'w{n}': n for n in range(30)}
    (root / 'glove.pkl').write_bytes(pickle.dumps(
        dict(w2id=words, id2vec=np.ones((31, 300), np.float32), counter=Counter(words)), protocol=4))
    torch.save(WEIGHTS, root / 'epoch_1.pth')
    row = dict(sample_idx=0, video_id='v', query='a b', duration=10.0, gt_spans=[[1, 2]], pred_spans=[[0, 1]],
               pred_scores=[0.5], protocol='p')
    (root / 'predictions.jsonl').write_text('\n'.join([json.dumps(row)] * 20))
    dataset = MomentDataset(**{key: value for key, value in tiny.train.items() if key != 'type'})
    (root / 'run').mkdir()
    InputRecipe.from_dataset(dataset).save(root / 'run')
    frames = [grey(number // 4) for number in range(40)]
    for container, codec in CONTAINERS.items():
        write_frames(root / f'video.{container}', frames, codec=codec, pixels='yuv420p')
    names = ['timer', 'logger', 'checkpoint']
    # numbers and names only: however it is damaged, there is nothing in it that could do harm when it is run
    (root / 'config.py').write_text('\n'.join([
        'default_scope = "mmvmr"', f'model = {METHODS["mcmt"]!r}', f'default_hooks = {dict.fromkeys(names, dict(a=1))}',
        f'train_dataloader = {dict(batch_size=4, dataset=tiny.train)!r}', 'train_cfg = dict(max_epochs=2)']))
    csv = str(root / 'charades.csv')
    return dict(
        json_list=(tiny.root / 'train.json', lambda path: read_dataset(MomentDataset(str(path)))),
        charades_text=(root / 'charades.txt', lambda path: read_dataset(CharadesSTA(str(path), durations=csv))),
        charades_durations=(root / 'charades.csv', lambda path: read_dataset(
            CharadesSTA(str(root / 'charades.txt'), durations=str(path)))),
        activitynet=(root / 'activitynet.json', lambda path: read_dataset(ActivityNetCaptions(str(path)))),
        tacos=(root / 'tacos.json', lambda path: read_dataset(TACoS(str(path)))),
        hdf5=(tiny.features, read_store),
        npy=(root / 'npy' / 'v0.npy', lambda path: read_store(path.parent)),
        manifest=(root / 'packed' / 'manifest.json', lambda path: read_store(path.parent)),
        index=(root / 'packed' / 'index.json', lambda path: read_store(path.parent)),
        packed=(root / 'packed' / 'features.bin', lambda path: read_store(path.parent)),
        vocabulary=(tiny.vocabulary, lambda path: WordVectors(Vocabulary.load(path)).encode(['a red ball'], 5)),
        glove=(root / 'glove.pkl', read_glove_pickle),
        checkpoint=(root / 'epoch_1.pth', read_weights),
        predictions=(root / 'predictions.jsonl', read_predictions),
        input_recipe=(root / 'run' / RECIPE, lambda path: InputRecipe.load(path.parent)),
        config=(root / 'config.py', lambda path: read_config(str(path))),
        **{container: (root / f'video.{container}', read_video) for container in CONTAINERS})


@pytest.fixture
def start_clock(capfd):
    """Starts a clock: when it runs out, all ends with a traceback, also inside a library that never returns."""
    with capfd.disabled():
        screen = os.dup(sys.__stderr__.fileno())
    yield lambda: faulthandler.dump_traceback_later(SECONDS, exit=True, file=screen)
    faulthandler.cancel_dump_traceback_later()
    os.close(screen)


@pytest.mark.parametrize('name', READERS)
def test_damaged_file_is_refused_or_makes_sense(name, readers, start_clock):
    path, read = readers[name]
    content, rng, refused = path.read_bytes(), random.Random(name), 0
    read(path)
    try:
        for number in range(DAMAGES):
            path.write_bytes(damage(content, rng))
            start_clock()
            try:
                read(path)
            except (ValueError, FileNotFoundError) as error:
                refused += 1
                place = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
                assert 'mmvmr' in place.parts, f'damage {number}: not an error of ours: {error!r} from {place}'
            except Exception as error:
                raise AssertionError(f'damage {number} of {name}: {error!r}') from error
    finally:
        path.write_bytes(content)
    print(f'{name}: {refused} of {DAMAGES} damaged files were refused, the others make sense')
    assert refused > 0.05 * DAMAGES
