"""How sure a run is that a video holds what a sentence describes."""
import numpy as np
import pytest
import torch
from runs import make_runner, run_command, write_config
from tiny import DIM, make_tiny_dataset

from mmvmr.apis import MomentRetrievalInferencer, VideoFeatures
from mmvmr.apis.calibration import calibrate
from mmvmr.apis.confidence import FILE, Confidence, fit_odds
from mmvmr.datasets.annotations import Pairs
from mmvmr.registry import DATASETS


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """The folder of a run of an epoch, with 16 validation videos, and the config of these."""
    root = tmp_path_factory.mktemp('trained')
    data = make_tiny_dataset(root / 'tiny', val=16)
    file = write_config(root / 'config.py', data, 'cpl', train_cfg=dict(max_epochs=1))
    make_runner(file, root / 'run').train()
    return root / 'run', data.val


@pytest.fixture
def inferencer(run):
    return MomentRetrievalInferencer(run[0], device='cpu', show_progress=False)


@pytest.fixture
def dataset(run):
    """Validation pairs with a sentence of its own each, and without spans."""
    dataset = DATASETS.build(run[1])
    dataset.full_init()
    dataset.data_list = Pairs.of([
        dict(pair, query=f'a {"red" if number % 2 else "blue"} ball moves in {number}', spans=[])
        for number, pair in enumerate(dataset.data_list)])
    return dataset


def _answer_with(match):
    """In place of the model: ``match(video, query)`` is the match of the first of two moments."""
    def forward(inputs):
        for sample in inputs['data_samples']:
            sample.pred_matches = torch.tensor([match(sample.video_id, sample.query), 0.01])
        return inputs['data_samples']
    return forward


def test_odds_are_those_of_the_two_kinds_of_pairs():
    generator = np.random.default_rng(0)
    own, other = generator.normal(3, 1, 2000), generator.normal(0, 1, 2000)
    assert fit_odds(own, other) == pytest.approx((3, -4.5), abs=0.4)  # log of the quotient of the densities
    slope, _ = fit_odds(other, own)
    assert slope == 0  # what fits worse is no evidence


def test_a_long_video_needs_better_evidence():
    confidence = Confidence(np.zeros((3, 2, DIM), np.float16), 2.0, -4.0, 'sha')
    references = [0.1, 0.2, 0.4]
    assert confidence([0.2], references) == pytest.approx(1 / (1 + np.exp(4)))
    one = confidence([0.9], references)
    assert 0.5 < confidence([0.9, 0.01], references) < one
    assert confidence([0.9] + [1e-9] * 99, references) < 0.5
    assert confidence([0.9] * 5, references) == pytest.approx(one)


def test_confidence_tells_own_videos_from_those_of_others_where_matches_do(inferencer, dataset, monkeypatch):
    own = {pair['query']: pair['video_id'] for pair in dataset.data_list}
    generator = np.random.default_rng(0)
    ease = {query: generator.uniform(0.01, 0.5) for query in own}  # matches of one sentence are unlike those of another
    monkeypatch.setattr(inferencer, 'forward', _answer_with(
        lambda video, query: ease[query] * ((1.8 if own[query] == video else 1) + generator.uniform(-0.1, 0.1))))
    found = calibrate(inferencer, dataset, 30, 6, 'sha')
    assert found.errors[0.5] == (0, 0) and found.confidence.references.shape == (6, inferencer.recipe.num_clips, DIM)
    assert found.confidence([0.36], [0.19, 0.2, 0.21]) > 0.9 and found.confidence([0.2], [0.19, 0.2, 0.21]) < 0.1


def test_matches_that_mean_nothing_give_a_confidence_that_decides_nothing(inferencer, dataset, monkeypatch):
    generator = np.random.default_rng(0)
    monkeypatch.setattr(inferencer, 'forward', _answer_with(lambda video, query: generator.uniform(0.2, 0.4)))
    found = calibrate(inferencer, dataset, 30, 6, 'sha')
    lost, false = found.errors[0.5]
    assert 0.6 < lost + false < 1.4
    assert found.errors[0.9] == (1, 0)  # nothing is that sure


def test_too_few_videos_are_refused(inferencer, dataset):
    with pytest.raises(ValueError, match='16 videos with features, too few for 12 references'):
        calibrate(inferencer, dataset, 30, 12, 'sha')
    with pytest.raises(ValueError, match='Take 8 with --references'):
        calibrate(inferencer, dataset, 30, 12, 'sha')
    few = dataset.get_subset([0])
    with pytest.raises(ValueError, match='At least 10 are needed: hold out more'):
        calibrate(inferencer, few, 30, 2, 'sha')


def test_too_few_sentences_are_refused(inferencer, dataset):
    with pytest.raises(ValueError, match='all of videos of one half.*--queries'):
        calibrate(inferencer, dataset, 1, 6, 'sha')


def test_a_calibrated_run_says_its_confidence_and_refuses_below_the_least(run, capsys):
    folder = run[0]
    assert run_command('calibrate', folder, '--queries', 12, '--references', 4, '--device', 'cpu') == 0
    assert 'video of others accepted' in capsys.readouterr().out
    with pytest.raises(FileExistsError, match='--force'):
        run_command('calibrate', folder)
    Confidence.load(folder)._replace(slope=1.0).save(folder)  # a model of one epoch means nothing: all would be 0.5
    inferencer = MomentRetrievalInferencer(folder, device='cpu', show_progress=False)
    rows = np.random.default_rng(0).normal(size=(40, DIM)).astype(np.float32)
    video = VideoFeatures.from_array(rows, name='v', duration=20.0)
    first, second = inferencer(video, ['a red ball moves.', 'a blue ball spins.'])['predictions']
    assert 0 < first['confidence'] < 1 and first['confidence'] != second['confidence'] and first['moments']
    least = (first['confidence'] + second['confidence']) / 2
    kept = inferencer(video, ['a red ball moves.', 'a blue ball spins.'], min_confidence=least)['predictions']
    assert [bool(one['moments']) for one in kept] == [one['confidence'] >= least for one in (first, second)]
    torch.save(dict(state_dict=torch.load(folder / 'epoch_1.pth')['state_dict']), folder / 'other.pth')
    for checkpoint, known in (('epoch_1.pth', True), ('other.pth', False)):  # it is that of one file
        assert (MomentRetrievalInferencer(folder, folder / checkpoint, 'cpu').confidence is not None) == known
    (folder / 'other.pth').unlink()
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:200])
    with pytest.raises(ValueError, match='Make it again with `mmvmr calibrate`'):
        Confidence.load(folder)
    (folder / FILE).unlink()
