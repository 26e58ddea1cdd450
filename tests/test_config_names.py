"""What a reader sees in a shipped config can be changed, and reaches everything that is made of it, or is refused."""
import math
from functools import cache
from typing import Any, Dict, Iterator, Tuple

import pytest
from mmengine.registry import DefaultScope
from shipped import CONFIGS, ZERO_SHOT, read_shipped

from mmvmr.engine.run import config as config_module
from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import MomentConfig, _find, parse_options, read_config, runner_entries
from mmvmr.engine.run.config_file import run_config_file
from mmvmr.registry import MODELS

ENTRIES = runner_entries()
RUNTIME = run_config_file(CONFIGS[0].parent / '_base_' / 'default_runtime.py').values
OTHER_NUMBERS = {('pps_charades', 'sigma')}  # the learned negatives have a sigma of their own, which is the same


def leaves(value: Any, key: str = '') -> Iterator[Tuple[str, Any]]:
    """Dotted keys and values of everything in a config that is no dict or list."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, f'{key}.{name}' if key else name)
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
        for place, item in enumerate(value):
            yield from leaves(item, f'{key}.{place}')
    else:
        yield key, value


def another(value: Any) -> Any:
    """A value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value / 2 if 0 < value < 1 else value * 2 + 1  # a share stays one
    if isinstance(value, (list, tuple)):
        return [*value, *value[-1:]]
    return 'another' if isinstance(value, str) else 1


@pytest.mark.parametrize('path', [*CONFIGS, *ZERO_SHOT], ids=lambda path: path.stem)
def test_every_name_that_is_changed_changes_what_runs_or_is_refused(path):
    names = run_config_file(path).values
    before = dict(leaves(read_config(path).entries_of_run()))
    unchanged, stale = [], []
    for key, value in leaves(names):
        if path != CONFIGS[0] and RUNTIME.get(key.split('.')[0]) == names[key.split('.')[0]]:
            continue  # walked once
        try:
            config = read_config(path, {key: another(value)})
            check_config(config)
        except (ValueError, KeyError):
            continue
        after = dict(leaves(config.entries_of_run()))
        if after == before:
            unchanged.append(key)
        if key.split('.')[0] not in ENTRIES and (path.stem, key) not in OTHER_NUMBERS and '.features.' not in key:
            stale += [(key, place) for place, found in after.items() if _made_of(place, key) and found == value != (
                another(value)) and before.get(place) == value]
    assert unchanged == []
    assert stale == []  # the same name elsewhere, with the old value


def wrong(value: Any) -> str:
    """What is typed in the place of a value, and is of another kind."""
    return '3' if isinstance(value, str) else 'abc'


def every_place(value: Any, key: str = '') -> Iterator[Tuple[str, Any]]:
    """As :func:`leaves`, and also the dicts and lists above them."""
    if isinstance(value, (dict, list, tuple)) and value and key:
        yield key, value
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        place = f'{key}.{name}' if key else name
        if isinstance(item, dict) or isinstance(item, (list, tuple)) and any(isinstance(one, dict) for one in item):
            yield from every_place(item, place)
        else:
            yield place, item


def test_value_of_another_kind_is_refused_by_its_name_on_the_command_line(monkeypatch):
    """All values of all configs, once for each place and kind; texts once for each name."""
    as_it_is, seen, bad = cache(run_config_file), set(), []
    monkeypatch.setattr(config_module, 'run_config_file', lambda path, changes=None: (
        run_config_file(path, changes) if changes else as_it_is(path)))
    for path in [*CONFIGS, *ZERO_SHOT]:
        for key, value in every_place(as_it_is(str(path)).values):
            place = key.split('.')[-1] if isinstance(value, str) else key
            if value is None or (place, type(value)) in seen:
                continue
            seen.add((place, type(value)))
            try:
                found = _find(read_config(path, parse_options([f'{key}={wrong(value)}'])).to_dict(), key)
            except ValueError as error:
                if isinstance(value, str):
                    bad += [(path.stem, key, str(error))] if 'changes nothing' not in str(error) else []
                elif not str(error).startswith(f'{key} should be ') or not str(error).endswith("got 'abc'.") and (
                        'For example: ' not in str(error)):
                    bad.append((path.stem, key, str(error)))
            else:
                bad += [] if isinstance(value, str) and type(found) in (str, type(None)) else [(path.stem, key, found)]
    assert len(seen) > 200
    assert bad == []


def test_value_of_another_kind_is_refused_by_its_name_in_a_file():
    """All that a runner reads, once for each argument of each part."""
    seen, bad = set(), []
    for path in [*CONFIGS, *ZERO_SHOT]:
        config = read_config(path)
        for key, value in every_place(config.entries_of_run()):
            changed = config.to_dict()
            parent, _, name = key.rpartition('.')
            part = _find(changed, parent) if parent else changed
            of = part.get('type') if isinstance(part, dict) else None
            kind = (of or parent, name)
            if value is None or isinstance(value, str) or kind in seen or '.features' in key:  # a path will do
                continue
            seen.add(kind)
            part[int(name) if isinstance(part, list) else name] = 'abc'
            try:
                check_config(MomentConfig(changed, filename=config.filename))
                bad.append((path.stem, key, 'accepted'))
            except (ValueError, KeyError) as error:
                bad += [(path.stem, key, str(error))] if key not in str(error) else []
    assert len(seen) > 100
    assert bad == []


def _made_of(place: str, key: str) -> bool:
    """Whether what stands there has the name of a variable, in the same part of the config."""
    last = key.split('.')[-1]
    parts = dict(dataset='dataset', training_files='train_dataloader.dataset', loader='dataloader')
    return place.split('.')[-1] == last and parts.get(key.split('.')[0], 'model' if '.' not in key else key) in place


@pytest.mark.parametrize('path', [path for path in CONFIGS if 'moving' in path.stem], ids=lambda path: path.stem)
def test_arguments_of_parts_are_attributes_of_what_is_built(path):
    """A number of a part reaches it: two models that differ in it differ in what they are made of."""
    with DefaultScope.overwrite_default_scope('mmvmr'):
        config = read_shipped(path, dim=32)
        before = _state(MODELS.build(config.model))
        same = []
        for key, value in leaves(config.model.to_dict(), 'model'):
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                try:
                    changed = MODELS.build(read_shipped(path, dim=32, **{key: another(value)}).model)
                except (ValueError, RuntimeError, KeyError, AssertionError):
                    continue
                if _state(changed) == before:
                    same.append(key)
    assert same == []


def _state(model) -> Dict[str, Any]:
    """Numbers that the modules of a model hold, and the shapes of their weights."""
    found = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    for name, module in model.named_modules():
        found.update({f'{name}.{key}': repr(value) for key, value in vars(module).items()
                      if isinstance(value, (int, float, str, tuple, list, dict)) and not key.startswith('_')})
        found.update({f'{name}.{key}': repr(value) for key, value in module.named_buffers(recurse=False)})
    return found


# what the papers and the released configs give; alpha = sigma^2 / 2
GAUSSIANS = 'model.proposal_generator'
PAPERS = {
    'cnm_charades': {
        f'{GAUSSIANS}.num_proposals': 1, f'{GAUSSIANS}.sigma': math.sqrt(2 * 5.5), f'{GAUSSIANS}.max_width': 0.45,
        'model.losses.ranking.margins.hard': 0.1, 'model.losses.ranking.margins.easy': 0.15,
        'train_cfg.max_epochs': 50},
    'cnm_activitynet': {
        f'{GAUSSIANS}.num_proposals': 1, f'{GAUSSIANS}.sigma': math.sqrt(2 * 5), f'{GAUSSIANS}.max_width': 1,
        'model.losses.ranking.margins.hard': 0.1, 'model.losses.ranking.margins.easy': 0.15,
        'train_cfg.max_epochs': 30},
    'cpl_charades': {
        f'{GAUSSIANS}.num_proposals': 8, f'{GAUSSIANS}.sigma': 9, 'model.negatives.left.gamma': 0.5,
        'model.negatives.right.gamma': 0.5, 'model.losses.ranking.margins.hard': 0.1,
        'model.losses.ranking.margins.left': 0.15, 'model.losses.ranking.margins.right': 0.15,
        'model.losses.ranking.loss_weight': 1, 'model.losses.diversity.loss_weight': 5, 'lambda.diversity': 0.146,
        'train_cfg.max_epochs': 30},
    'cpl_activitynet': {
        f'{GAUSSIANS}.num_proposals': 8, f'{GAUSSIANS}.sigma': 9, 'model.negatives.left.gamma': 0,
        'model.negatives.right.gamma': 0, 'model.losses.ranking.margins.hard': 0.1,
        'model.losses.ranking.margins.left': 0.15, 'model.losses.ranking.margins.right': 0.15,
        'model.losses.ranking.loss_weight': 2, 'model.losses.diversity.loss_weight': 0.1, 'lambda.diversity': 0.13,
        'train_cfg.max_epochs': 30},
    'pps_charades': {
        f'{GAUSSIANS}.num_proposals': 28, f'{GAUSSIANS}.sigma': 9, 'model.combiner.groups': [1, 2, 3, 4, 5, 6, 7],
        'model.combiner.shrink': 0, 'model.negatives.learned.num_gaussians': 3,
        'model.negatives.learned.generator.num_proposals': 21, 'model.negatives.learned.generator.sigma': 9,
        'model.losses.ranking.margins.hard': 0.1, 'model.losses.ranking.margins.learned': 0.15,
        'model.losses.ranking.loss_weight': 3, 'model.losses.pull.loss_weight': 5,
        'model.losses.inter.loss_weight': 1, 'model.losses.intra.loss_weight': 0.001, 'lambda.inter': 0.15,
        'lambda.intra': 0.15, 'train_cfg.max_epochs': 30},
    'pps_activitynet': {
        f'{GAUSSIANS}.num_proposals': 15, f'{GAUSSIANS}.sigma': 4, 'model.combiner.groups': [1, 2, 3, 4, 5],
        'model.combiner.shrink': 0.15, 'model.negatives.learned.num_gaussians': 2,
        'model.negatives.learned.generator.num_proposals': 10, 'model.negatives.learned.generator.sigma': 3,
        'model.losses.ranking.margins.hard': 0.1, 'model.losses.ranking.margins.learned': 0.15,
        'model.losses.ranking.loss_weight': 1, 'model.losses.pull.loss_weight': 0.2,
        'model.losses.inter.loss_weight': 0.1, 'model.losses.intra.loss_weight': 0.01, 'lambda.inter': 0.15,
        'lambda.intra': 0.15, 'train_cfg.max_epochs': 30},
}
SHARED = {
    'model.encoder.dim': 256, 'model.encoder.dropout': 0.1, f'{GAUSSIANS}.num_clips': 50,
    f'{GAUSSIANS}.transformer.num_layers': 3, 'param_scheduler.0.warmup': 400, 'param_scheduler.0.warmup_start': 1e-7,
    'train_dataloader.dataset.num_clips': 200}
BATCHES = dict(cnm_charades=128, cnm_activitynet=128, cpl_charades=32, cpl_activitynet=32, pps_charades=32,
                pps_activitynet=32)


@pytest.mark.parametrize('name', PAPERS)
def test_numbers_are_those_of_the_paper(name):
    config = read_config(name)
    found = {**dict(leaves(config.entries_of_run())), 'train_dataloader.batch_size': config.train_dataloader.batch_size}
    with DefaultScope.overwrite_default_scope('mmvmr'):
        model = MODELS.build(read_shipped(config.filename).model)
    num_clips = config.model.proposal_generator.num_clips
    found.update({f'lambda.{key}': loss.target(num_clips) for key, loss in model.losses.items()
                  if hasattr(loss, 'target')})
    expected = {**SHARED, **PAPERS[name], 'train_dataloader.batch_size': BATCHES[name]}
    groups = expected.pop('model.combiner.groups', None)
    assert {key: found.get(key) for key in expected} == pytest.approx(expected, rel=2e-6)
    assert groups == found.get('model.combiner.groups')
    optimizers = [value for key, value in found.items() if key.startswith('optim_wrapper') and key.endswith('.lr')]
    clips = [value for key, value in found.items() if key.endswith('clip_grad.max_norm')]
    assert set(optimizers) == {4e-4} and set(clips) == {10} and len(clips) == len(optimizers)
    assert len(optimizers) == (2 if name.startswith('cnm') else 1)


def test_level_of_mcmt_is_where_the_moment_of_cnm_ends():
    for name, alpha in (('mcmt_charades', 5.5), ('mcmt_activitynet', 5)):
        assert read_config(name).model.span_level == pytest.approx(math.exp(-alpha / 4))
        changed = read_config(name, {'sigma': 4}).model
        assert changed.proposal_generator.sigma == 4 and changed.span_level == pytest.approx(math.exp(-2))


@pytest.mark.parametrize('name, scales, kernel, layers, batch, nms', [
    ('charades', (64, 28, 6), 5, 8, 128, 0.45), ('activitynet', (64, 24, 4), 9, 4, 100, 0.5)])
def test_faithful_settings_of_the_map_are_those_of_the_authors_later_code(name, scales, kernel, layers, batch, nms):
    config = read_config(f'ms2d_faithful_{name}')
    maps, labels = config.model.proposal_generator, config.model.losses.pseudo_label
    assert (tuple(maps.scales), maps.kernel_size, maps.num_layers) == (scales, kernel, layers)
    assert (maps.num_proposals, maps.dim, maps.hidden_dim, maps.word_layers) == (10, 512, 512, 3)
    assert tuple(labels.bounds) == (0.1, 0.7) and labels.num_groups == 3 and 'warmup' not in labels
    assert config.optim_wrapper.optimizer == dict(type='Adam', lr=1e-4)
    assert (config.train_dataloader.batch_size, config.test_evaluator.nms) == (batch, nms)
