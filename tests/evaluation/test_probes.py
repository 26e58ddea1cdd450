import h5py
import numpy as np
import pytest
import torch

from mmvmr.cli.test import PROBES as COMMAND_PROBES
from mmvmr.evaluation.probes import PROBES, apply_probe, other_videos
from mmvmr.features.stores.resampling import resample_clips
from mmvmr.registry import DATASETS


@pytest.mark.parametrize('ids', [list('aabb'), list('abcabcabc'), list('abcdeaa'), list('aaabbcd')])
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_every_pair_gets_another_video_and_every_pair_is_used_once(ids, seed):
    donors = other_videos(ids, seed)
    assert sorted(donors) == list(range(len(ids)))
    assert all(ids[donor] != video for donor, video in zip(donors, ids))


def test_the_shuffle_depends_on_the_seed_alone():
    ids = [f'v{number // 3}' for number in range(60)]
    np.testing.assert_array_equal(other_videos(ids, 1), other_videos(ids, 1))
    assert (other_videos(ids, 1) != other_videos(ids, 2)).any()


def test_a_test_set_that_cannot_be_shuffled_is_refused():
    with pytest.raises(ValueError, match='none with more than half'):
        other_videos(list('aaab'))


@pytest.fixture
def pair_of_datasets(tiny_dataset):
    datasets = [DATASETS.build(tiny_dataset.test) for _ in range(2)]
    donors = other_videos([pair['video_id'] for pair in datasets[0].data_list])
    return (*datasets, donors, list(range(len(donors))))


def _same_truth(batch, other):
    return all(torch.equal(a.gt_spans, b.gt_spans) and a.video_id == b.video_id and a.query == b.query
               for a, b in zip(batch['data_samples'], other['data_samples']))


def test_shuffled_queries_come_from_the_donors_and_the_rest_stays(pair_of_datasets):
    plain, probed, donors, indices = pair_of_datasets
    apply_probe(probed, 'shuffle-query')
    batch, donated, own = probed.__getitems__(indices), plain.__getitems__(donors), plain.__getitems__(indices)
    assert torch.equal(batch['inputs'].query.word_ids, donated['inputs'].query.word_ids)
    assert torch.equal(batch['inputs'].query.features, donated['inputs'].query.features)
    assert torch.equal(batch['inputs'].video, own['inputs'].video)
    assert _same_truth(batch, own)


def test_shuffled_videos_come_from_the_donors_and_the_rest_stays(pair_of_datasets):
    plain, probed, donors, indices = pair_of_datasets
    apply_probe(probed, 'shuffle-video')
    some = indices[2:5]
    batch, donated, own = probed.__getitems__(some), plain.__getitems__(donors[some]), plain.__getitems__(some)
    assert torch.equal(batch['inputs'].video, donated['inputs'].video)
    assert not torch.equal(batch['inputs'].video, own['inputs'].video)
    assert torch.equal(batch['inputs'].query.word_ids, own['inputs'].query.word_ids)
    assert _same_truth(batch, own)


@pytest.mark.parametrize('num_clips', ['some', None])
def test_a_shift_puts_noise_before_the_video_and_moves_its_moments(tiny_dataset, num_clips):
    config = tiny_dataset.test if num_clips else dict(tiny_dataset.test, num_clips=None)
    plain, probed = (DATASETS.build(config) for _ in range(2))
    apply_probe(probed, 'shift')
    own, moved = plain[1], probed[1]
    clips, all_clips = own['inputs'].video[0], moved['inputs'].video[0]
    assert num_clips is None or len(all_clips) == len(clips)
    front = round(len(all_clips) / 3)
    kept = len(all_clips) - front
    np.testing.assert_allclose(all_clips[front:], resample_clips(clips.numpy(), kept), rtol=1e-6)
    noise = all_clips[:front]
    assert torch.isfinite(noise).all() and not torch.equal(noise[0], noise[1])
    assert noise.norm(dim=1).mean() == pytest.approx(all_clips[front:].norm(dim=1).mean().item(), rel=1e-4)
    (before,), (after,) = own['data_samples'], moved['data_samples']
    assert after.duration == pytest.approx(before.duration * len(all_clips) / kept)
    shift = after.duration - before.duration
    np.testing.assert_allclose(after.gt_spans, before.gt_spans + shift, rtol=1e-5)
    assert torch.equal(moved['inputs'].query.word_ids, own['inputs'].query.word_ids)


def test_a_video_without_features_can_be_shifted_too(tiny_dataset):
    config = dict(tiny_dataset.test, num_clips=None, missing='score_as_wrong')
    with h5py.File(tiny_dataset.features, 'a') as file:
        del file['test_0']
    probed = DATASETS.build(config)
    apply_probe(probed, 'shift')
    (sample,) = probed[0]['data_samples']
    assert sample.absent and sample.duration > 0 and torch.isfinite(probed[0]['inputs'].video).all()


def test_the_noise_before_a_video_is_always_the_same_and_another_for_each(tiny_dataset):
    first, second = (DATASETS.build(tiny_dataset.test) for _ in range(2))
    apply_probe(first, 'shift')
    apply_probe(second, 'shift')
    assert torch.equal(first[2]['inputs'].video, second.__getitems__([0, 2])['inputs'].video[1:])
    videos = {pair['video_id']: number for number, pair in enumerate(first.data_list)}
    one, other = list(videos.values())[:2]
    assert not torch.equal(first[one]['inputs'].video[0, 0], first[other]['inputs'].video[0, 0])


def test_missing_clips_are_zero_and_others_in_each_video(pair_of_datasets):
    plain, probed, _, indices = pair_of_datasets
    apply_probe(probed, 'missing-clips')
    own, left = plain.__getitems__(indices), probed.__getitems__(indices)
    lost = (left['inputs'].video == 0).all(dim=2)
    assert (lost.sum(dim=1) == round(lost.size(1) / 4)).all()
    assert torch.equal(left['inputs'].video[~lost], own['inputs'].video[~lost])
    assert len(lost.unique(dim=0)) == len({pair['video_id'] for pair in plain.data_list})
    assert torch.equal(left['inputs'].video[2:3], probed[2]['inputs'].video) and _same_truth(left, own)


@pytest.mark.parametrize('num_clips', ['some', None])
def test_half_the_rate_keeps_every_second_clip(tiny_dataset, num_clips):
    config = tiny_dataset.test if num_clips else dict(tiny_dataset.test, num_clips=None)
    plain, probed = (DATASETS.build(config) for _ in range(2))
    apply_probe(probed, 'half-rate')
    own, left = plain[1]['inputs'].video[0], probed[1]['inputs'].video[0]
    assert torch.equal(left[::2] if num_clips else left, own[::2])
    assert num_clips is None or (len(left) == len(own) and torch.equal(left[1::2], left[::2]))
    assert _same_truth(probed[1], plain[1])


def test_commands_offer_all_probes():
    assert COMMAND_PROBES == tuple(PROBES)


@pytest.mark.parametrize('probe', PROBES)
def test_a_probe_stands_in_the_name_of_the_protocol(pair_of_datasets, probe):
    apply_probe(pair_of_datasets[0], probe)
    assert pair_of_datasets[0].metainfo['protocol'] == f'custom (test) ({probe})'


def test_an_unknown_probe_is_refused(pair_of_datasets):
    with pytest.raises(ValueError, match='shuffle-query, shuffle-video, shift'):
        apply_probe(pair_of_datasets[0], 'shuffle')
