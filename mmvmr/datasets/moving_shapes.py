"""Moving Shapes, the embedded benchmark: what happens in its videos, and the sentences about it.

A video shows several events, one after the other: a coloured shape does something, then the scene is idle for a while.
Each event differs from another one of its video in a single attribute, so a query can be answered only by reading all
of it. Lengths and positions vary, so no constant window does well.
"""
import json
import logging
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from mmengine.logging import print_log

from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS
from mmvmr.utils.processes import count_cores

COLORS = {'red': 0, 'orange': 15, 'yellow': 30, 'green': 60, 'blue': 115, 'purple': 145}  # hues of OpenCV, 0..179
SHAPES = ('circle', 'square', 'triangle', 'star', 'cross')
ACTIONS = {  # name: ways to say it, third person and -ing
    'left': [('slides to the left', 'sliding to the left'), ('moves left', 'moving left')],
    'right': [('slides to the right', 'sliding to the right'), ('moves right', 'moving right')],
    'up': [('rises', 'rising'), ('moves up', 'moving up')],
    'down': [('falls', 'falling'), ('moves down', 'moving down')],
    'bounce': [('bounces', 'bouncing'), ('jumps in place', 'jumping in place')],
    'spin': [('spins', 'spinning'), ('rotates', 'rotating')],
    'grow': [('grows', 'growing'), ('gets bigger', 'getting bigger')],
    'shrink': [('shrinks', 'shrinking'), ('gets smaller', 'getting smaller')],
    'blink': [('blinks', 'blinking'), ('flashes', 'flashing')],
}
SYNONYMS = {'circle': ['circle', 'disc'], 'square': ['square', 'box'], 'purple': ['purple', 'violet']}
TEMPLATES = ['a {color} {shape} {does}', 'the {color} {shape} {does}', 'the {shape} that is {color} {does}',
             'a {color} {shape} is {doing}', 'a {shape} of {color} color is {doing}',
             'we see a {color} {shape} {doing}']
# events per video; distractors: grey shapes that drift, coloured shapes that stand still; standard deviation of the
# pixel noise; how likely two neighbouring events also get a query together
DIFFICULTIES: Dict[str, Dict[str, Any]] = {
    'easy': dict(events=(3, 4), drifters=0, bystanders=0, noise=4.0, compound=0.0),
    'medium': dict(events=(4, 6), drifters=2, bystanders=0, noise=8.0, compound=0.1),
    'hard': dict(events=(5, 8), drifters=5, bystanders=1, noise=14.0, compound=0.2),
}
SPLITS = {'train': 400, 'val': 60, 'test': 120}  # videos


class Event(NamedTuple):
    """A shape of a colour does something from ``start`` to ``end`` (seconds)."""
    color: str
    shape: str
    action: str
    start: float
    end: float


class Script(NamedTuple):
    """What happens in one video."""
    video_id: str
    duration: float
    events: List[Event]


def write_script(split: str, index: int, seed: int = 0, difficulty: str = 'medium') -> Script:
    """Make up one video; the same arguments always give the same one."""
    rng = _generator(seed, split, index, 0)
    duration = float(rng.integers(24, 57))
    low, high = DIFFICULTIES[difficulty]['events']
    looks = _one_attribute_apart(rng, int(rng.integers(low, high + 1)))
    lengths = np.exp(rng.uniform(np.log(0.05), np.log(0.3), len(looks))) * duration
    lengths *= min(1, 0.8 * duration / lengths.sum())
    gaps = rng.dirichlet(np.ones(len(looks) + 1)) * (duration - lengths.sum())
    starts = np.cumsum(gaps[:-1] + np.append(0, lengths[:-1]))
    events = [Event(*look, round(float(start), 2), round(float(start + length), 2))
              for look, start, length in zip(looks, starts, lengths)]
    return Script(f'{split}_{index:04d}', duration, events)


def describe(script: Script, seed: int = 0, difficulty: str = 'medium') -> List[list]:
    """The sentences about a video: ``[video_id, duration, [start, end], sentence]`` each."""
    split, index = script.video_id.rsplit('_', 1)
    rng = _generator(seed, split, int(index), 1)
    pairs = [(event.start, event.end, _sentence(rng, event)) for event in script.events]
    for first, second in zip(script.events, script.events[1:]):
        if rng.random() < DIFFICULTIES[difficulty]['compound']:
            pairs.append((first.start, second.end, f'{_sentence(rng, first)}, then {_sentence(rng, second)}'))
    return [[script.video_id, script.duration, [start, end], f'{text[0].upper()}{text[1:]}.']
            for start, end, text in pairs]


def _generator(seed: int, split: str, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, list(SPLITS).index(split), index, purpose])


def _one_attribute_apart(rng: np.random.Generator, count: int) -> List[Tuple[str, str, str]]:
    """Distinct looks (colour, shape, action), each but the first one attribute away from an earlier one."""
    options: Tuple[Tuple[str, ...], ...] = (tuple(COLORS), SHAPES, tuple(ACTIONS))
    looks: List[Tuple[str, str, str]] = []
    while len(looks) < count:
        look = list(looks[rng.integers(len(looks))]) if looks else [str(rng.choice(option)) for option in options]
        attribute = int(rng.integers(3))
        look[attribute] = str(rng.choice(options[attribute]))
        visible = (look[1], look[2]) != ('circle', 'spin')  # one cannot see a circle spin
        if visible and tuple(look) not in looks:
            looks.append(tuple(look))
    return [looks[i] for i in rng.permutation(count)]


def _sentence(rng: np.random.Generator, event: Event) -> str:
    does, doing = ACTIONS[event.action][rng.integers(len(ACTIONS[event.action]))]
    color, shape = (str(rng.choice(SYNONYMS.get(word, [word]))) for word in (event.color, event.shape))
    text = str(rng.choice(TEMPLATES)).format(color=color, shape=shape, does=does, doing=doing)
    return text.replace('a orange', 'an orange')


@DATASETS.register_module()
class MovingShapes(MomentDataset):
    """The embedded benchmark as an ordinary dataset (JSON list, packed features, vocabulary).

    A protocol is a difficulty, rendered in full from seed 0. Data rendered otherwise, as ``settings.json`` beside the
    annotations tells, can be used as well, but their numbers do not carry the protocol's name.

    Raises:
        ValueError: If the data were rendered in another difficulty than ``protocol`` says.
    """
    METAINFO = dict(dataset='Moving Shapes')
    PROTOCOLS = dict(
        easy=dict(train=1395, val=214, test=417),
        medium=dict(train=2154, val=334, test=638),
        hard=dict(train=3030, val=454, test=895))
    HINT = 'Render them with: mmvmr moving-shapes'

    @classmethod
    def prepare(cls, data_root: str = '', protocol: Optional[str] = None, **_) -> None:
        """Render the data set of a config where its folder is not there."""
        if data_root and not Path(data_root).exists():
            from mmvmr.datasets.moving_shapes_files import write_moving_shapes
            print(f'There is no "{data_root}": the {sum(SPLITS.values())} videos of Moving Shapes are rendered into '
                  f'"{Path(data_root).absolute()}", once: 350 MB, some minutes on two cores. Ctrl-C ends it and '
                  'leaves nothing. If they lie elsewhere: --cfg-options dataset.data_root=FOLDER', flush=True)
            write_moving_shapes(Path(data_root), protocol or 'medium', workers=count_cores())

    def annotation_files(self, ann_file: str) -> Sequence[str]:
        return [ann_file] if self.protocol is None else [ann_file, str(_settings_file(ann_file))]

    def load_data_list(self) -> List[Dict]:
        if self.protocol is not None:
            self._check_settings(json.loads(_settings_file(self.ann_file).read_text()))
        return super().load_data_list()

    def _check_settings(self, settings: Dict) -> None:
        rendered = settings['difficulty']
        if rendered != self.protocol:
            raise ValueError(
                f'The videos of "{self.ann_file}" were rendered in the difficulty "{rendered}", the config says '
                f'protocol="{self.protocol}". Add --cfg-options dataset.protocol={rendered}, or render others: '
                f'mmvmr moving-shapes --difficulty {self.protocol} --out FOLDER.')
        if (settings['seed'], settings['scale']) != (0, 1):
            name = f'custom ({rendered}, seed {settings["seed"]}, scale {settings["scale"]:g})'
            print_log(f'"{self.ann_file}" is not the Moving Shapes of protocol "{rendered}" (seed 0, scale 1): numbers '
                      f'stand under "{name}".', 'current', logging.WARNING)
            self.protocol, self._metainfo['protocol'] = None, f'moving_shapes/{name}'


def _settings_file(ann_file: str) -> Path:
    return Path(ann_file).with_name('settings.json')
