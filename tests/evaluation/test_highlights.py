"""HIT@1 and average precision of highlights, as QVHighlights measures them."""
import numpy as np
import pytest

from mmvmr.evaluation.highlights import clip_ratings, highlight_scores


def official(scores, wanted):
    """Average precision of clips, as the official scorer defines it, by a curve over all thresholds."""
    if len(set(wanted)) == 1:
        return float(wanted[0])
    thresholds = sorted(set(scores))
    precision = [np.mean(wanted[scores >= threshold]) for threshold in thresholds] + [1.0]
    recall = [wanted[scores >= threshold].sum() / wanted.sum() for threshold in thresholds] + [0.0]
    for place in range(1, len(precision)):
        precision[place] = max(precision[place - 1], precision[place])
    return np.mean([precision[place] for place in range(len(recall) - 1) if recall[place] != recall[place + 1]])


@pytest.mark.parametrize('levels', [3, 1000])  # with equal scores and without
def test_it_is_that_of_the_official_scorer_on_random_cases(levels):
    rng = np.random.default_rng(0)
    for _ in range(500):
        scores = rng.integers(0, levels, 20) / levels
        ratings = rng.integers(0, 5, (20, 3)) * (rng.random((20, 1)) < 0.3)
        found = highlight_scores([scores], [ratings], least=3).iloc[0]
        assert found['HL-mAP'] == pytest.approx(np.mean([official(scores, one) for one in (ratings >= 3).T]))
        assert found['HIT@1'] == (ratings[scores.argmax()] >= 3).any()


@pytest.mark.parametrize('ids, scores', [
    ([7], [[4, 0, 1]]), ([-1], [[4, 0, 1]]), ([1, 2], [[4, 0, 1]]), ([1], [[4, 0, 1], [2, 2, 2]]),
    ([1, 2], [[4, 0, 1], [2]]), (['1'], [[4]]), ([1], [])])
def test_ratings_of_clips_that_are_not_there_are_refused(ids, scores):
    pair = dict(video_id='v', query='He sits.', duration=10.0, relevant_clip_ids=ids, saliency_scores=scores)
    with pytest.raises(ValueError, match="The saliency of 'He sits.' in \"v\", of 5 clips of 2 s, cannot be read"):
        clip_ratings(pair)


def test_clips_without_a_rating_are_no_highlights_and_those_without_a_score_come_as_zero():
    ratings = clip_ratings(dict(duration=11, relevant_clip_ids=[1, 4], saliency_scores=[[4, 0, 1], [2, 2, 2]]))
    assert ratings.tolist() == [[0, 0, 0], [4, 0, 1], [0, 0, 0], [0, 0, 0], [2, 2, 2]]
    assert highlight_scores([[0.1, 0.5]], [ratings]).iloc[0].tolist() == pytest.approx([1, 1 / 3])
    assert highlight_scores([[0.1, 0.0, 0.0, 0.0, 0.0, 9.0]], [ratings])['HIT@1'].item() == 0  # no such clip
