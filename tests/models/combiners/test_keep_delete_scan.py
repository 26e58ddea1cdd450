import pytest
import torch
from parts import config, make_batch

from mmvmr.functional.masks import gaussian_mask
from mmvmr.models.combiners.keep_delete_scan import KeepDeleteScan, highest_peaks, masks_around
from mmvmr.registry import MODELS
from mmvmr.structures import MomentSample, Proposals

GRID = torch.linspace(0, 1, 21)
COMPONENTS = Proposals(torch.tensor([[[0.0, 0.1]]]), torch.ones(1, 1, 21))


def _explained_by(*clips):
    """An `explain` for which the query needs exactly these clips: nll is the share of them that a mask takes away."""
    def explain(masks):
        return 1 - masks[..., list(clips)].mean(dim=-1), None
    return explain


def _scan(scan, explain):
    return scan.eval()(COMPONENTS, torch.zeros(1, 40, 4), None, lambda masks: explain(masks.expand(1, -1, -1)))


def test_scan_finds_the_clips_that_the_query_needs():
    found = _scan(KeepDeleteScan(window=0.1, level=0.5), _explained_by(10, 11, 12, 13, 14))
    start, end = found.spans[0, 0].tolist()
    assert start == pytest.approx(0.5, abs=0.03) and end == pytest.approx(0.7, abs=0.03)
    assert found.masks[0, 0].argmax().item() == 12


def test_curve_is_what_deletion_ruins_minus_what_is_not_explained_alone():
    found = _scan(KeepDeleteScan(window=0.1, weight=0.5, num_proposals=1), _explained_by(4))
    window = gaussian_mask(GRID, torch.full((21,), 0.025), 21, peak_normalized=True)
    curve = window[:, 4] - 0.5 * (1 - window[:, 4])  # nll without clip 4 is what the window holds of it
    assert found.scores.item() == pytest.approx((curve[4] - curve.median()).item())
    assert found.clips.scores.shape == (1, 21) and found.clips.scores[0, 4].item() == pytest.approx(curve[4].item())


def test_clips_like_those_at_the_peak_belong_to_the_moment_with_feedback():
    video = torch.tensor([1.0, 0]).repeat(1, 21, 1)
    video[:, 8:16] = torch.tensor([0, 1.0])  # the query needs the first six of these eight
    for feedback, end in ((None, 14), (0.02, 16)):
        scan = KeepDeleteScan(window=0.1, feedback=feedback).eval()
        found = scan(COMPONENTS, video, None, lambda masks: _explained_by(*range(8, 14))(masks.expand(1, -1, -1)))
        assert found.spans[0, 0, 1].item() * 21 == pytest.approx(end, abs=0.5)


def test_proposals_are_left_alone_in_training():
    assert KeepDeleteScan().train()(COMPONENTS, None, None, None) is COMPONENTS


def test_two_moments_give_two_candidates_the_one_that_matters_more_first():
    def explain(masks):
        return -0.3 * masks[..., 3] - 0.7 * masks[..., 15], None
    found = _scan(KeepDeleteScan(window=0.1, num_proposals=2), explain)
    torch.testing.assert_close(found.spans.mean(dim=-1), GRID[[15, 3]].unsqueeze(0), atol=0.01, rtol=0)
    assert found.scores[0, 0] > found.scores[0, 1] > 0


def test_place_is_where_keeping_explains_most_and_extent_is_what_deleting_ruins():
    def explain(masks):  # clips 5 and 6 are needed, but only clip 6 explains the query on its own
        return 1 - masks[..., [5, 6]].mean(dim=-1) - 0.5 * (masks[..., 6] - masks[..., 5]), None
    found = _scan(KeepDeleteScan(window=0.02, weight=1.0, num_proposals=1), explain)
    assert found.masks[0, 0].argmax().item() == 6
    missed = [0.0, 1.0]  # nll without clip 5 and without clip 6, above the others
    assert found.masks[0, 0, 5].item() == pytest.approx(missed[0] / missed[1], abs=1e-4)


def test_grid_may_be_finer_than_that_of_the_proposals():
    found = _scan(KeepDeleteScan(num_clips=40, window=0.1), _explained_by(30))
    assert found.masks.shape == (1, 5, 40)
    assert found.spans[0, 0].mean().item() == pytest.approx(30 / 39, abs=0.01)


def test_mask_around_a_lower_peak_does_not_reach_into_a_higher_one():
    curve = torch.tensor([[4.0, 0.0, 1.0, 2.0, 1.0]])
    heights, peaks = highest_peaks(curve, 2)
    assert heights.tolist() == [[4.0, 2.0]] and peaks.tolist() == [[0, 3]]
    masks = masks_around(curve, peaks, level=0.5)
    assert masks[0].tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.5, 1.0, 0.5]]


def test_where_there_are_fewer_peaks_the_highest_is_repeated_and_no_other_place_is_a_moment():
    found = _scan(KeepDeleteScan(window=0.1, num_proposals=4), _explained_by(20))
    assert found.scores[0].tolist() == [found.scores[0, 0], 0, 0, 0] and found.scores[0, 0] > 0
    assert (found.spans == found.spans[:, :1]).all()


@pytest.mark.parametrize('changes', [dict(window=0), dict(window=-0.1), dict(level=0), dict(level=2),
                                     dict(feedback=1.5), dict(feedback=-1)])
def test_shares_that_are_none_are_refused(changes):
    with pytest.raises(ValueError, match=f'{next(iter(changes))}={next(iter(changes.values()))}'):
        KeepDeleteScan(**changes)


def test_flat_curve_gives_narrow_masks_of_no_height():
    heights, peaks = highest_peaks(torch.zeros(2, 6), 3)
    assert heights.tolist() == [[0.0] * 3] * 2
    assert masks_around(torch.zeros(2, 6), peaks, level=0.5).sum(dim=-1).tolist() == [[1.0] * 3] * 2


def test_scan_is_one_line_of_a_config():
    torch.manual_seed(0)
    scan = dict(type='KeepDeleteScan', num_proposals=3)
    scanned = dict(config('cpl'), combiner=scan, ranker=dict(type='ScoreRanker'))
    model = MODELS.build(scanned).eval()
    samples = [MomentSample(metainfo=dict(video_id='v', query='q', duration=10.0)) for _ in range(3)]
    with torch.no_grad():
        predicted = model.val_step(dict(inputs=make_batch(), data_samples=samples))
    for sample in predicted:
        assert sample.pred_spans.shape == (3, 2) and torch.isfinite(torch.tensor(sample.margin))
        assert sample.pred_scores.tolist() == sorted(sample.pred_scores.tolist(), reverse=True)
    plain = MODELS.build(config('cpl'))
    plain.load_state_dict(model.state_dict())  # nothing is trained for it
    batch = model.data_preprocessor(dict(inputs=make_batch()), True)['inputs']
    torch.manual_seed(1)
    expected = plain.train().loss(batch)
    torch.manual_seed(1)
    assert model.train().loss(batch) == expected


def test_windows_that_are_deleted_lie_a_third_of_their_width_apart_and_kept_ones_two_thirds():
    asked = []

    def explain(masks):
        asked.append(masks)
        return _explained_by(30)(masks)
    _scan(KeepDeleteScan(num_clips=64, window=0.08), explain)
    masks, = asked
    kept = masks.min(dim=-1).values < 0.01
    deleted = (masks[0] > 0.5).sum(dim=-1) > 32
    assert masks.shape == (1, 59, 64) and kept.all() and deleted.tolist() == [True] * 39 + [False] * 20
