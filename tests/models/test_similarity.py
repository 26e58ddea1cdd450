"""Retrieval without training: the curve of a joint space, and what decoders make of it."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope

from mmvmr.functional.curves import relevance_feedback
from mmvmr.models.data_preprocessor import MomentDataPreprocessor
from mmvmr.models.proposal_generators.similarity import SimilarityProposalGenerator
from mmvmr.registry import MODELS
from mmvmr.structures import Batch, EncodedQuery, MomentSample, Query

OTSU = dict(type='OtsuRuns', num_proposals=2, smoothing=1e-3)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmvmr'):
        yield


def make_model(decoder=None, **generator):
    return MODELS.build(dict(
        type='MomentRetriever', encoder=dict(type='JointSpaceEncoder'),
        proposal_generator=dict(type='SimilarityProposalGenerator', decoder=decoder or OTSU, **generator),
        ranker=dict(type='ScoreRanker'))).eval()


def make_query(sentences):
    """Queries (B, S, D) without words: the first sentence vector is the only place."""
    one = torch.ones(len(sentences), 1)
    return Query(sentences[:, :1], one.bool(), one.long() * 0, one * 0, sentences=sentences)


# along the first axis lies what the query asks for, along the second what its paraphrase does
VIDEO = torch.tensor([[[0.0, 0, 1], [2, 0, 0], [5, 0, 0], [0, 0, 1], [0, 3, 0], [0, 4, 0], [0, 1, 0], [0, 0, 1]]])
SENTENCES = torch.tensor([[[4.0, 0, 0], [0, 0.5, 0]]])


def predict(model, video=VIDEO, sentences=SENTENCES):
    samples = [MomentSample(metainfo=dict(video_id='v', query='q', duration=16.0)) for _ in range(len(video))]
    return model.test_step(dict(inputs=Batch(video, make_query(sentences)), data_samples=samples))


def test_curve_is_the_cosine_of_clips_and_sentences():
    curves = SimilarityProposalGenerator.curves(VIDEO, SENTENCES)
    assert curves.tolist() == [[[0, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 0]]]


@pytest.mark.parametrize('paraphrases, first, second', [
    (None, [2, 6], [2, 6]),  # clips 1 and 2 of 2 s; there is one run, which is repeated
    ('mean', [8, 14], [2, 6]),  # both runs reach one half; the longer has fewer of them outside
    ('union', [2, 6], [8, 14])])
def test_paraphrases_are_left_averaged_or_united(paraphrases, first, second):
    sample, = predict(make_model(paraphrases=paraphrases))
    assert sample.pred_spans.tolist() == [first, second]
    assert sample.pred_scores[0] >= sample.pred_scores[1]


def test_a_clip_without_features_does_not_end_a_moment():
    video = torch.cat([VIDEO[:, :2], torch.zeros(1, 1, 3), VIDEO[:, 2:], torch.zeros(1, 1, 3)], dim=1)
    sample, = predict(make_model(), video)
    assert sample.pred_spans[0].tolist() == pytest.approx([1.6, 6.4])  # clips 1 to 3 of ten


def test_model_has_nothing_to_learn_and_no_words_need_be_hidden():
    model = make_model()
    assert not model.state_dict()
    batch = model.data_preprocessor(dict(inputs=Batch(VIDEO, make_query(SENTENCES))))['inputs']
    assert torch.equal(batch.query.sentences, SENTENCES)


def test_absent_clips_do_not_count_and_absent_videos_have_an_answer():
    padded = torch.cat([VIDEO, torch.zeros(1, 8, 3)], dim=1)
    sample, = predict(make_model(), padded)
    assert sample.pred_spans[0].tolist() == [1, 3]  # of 16 s over twice as many clips
    sample, = predict(make_model(paraphrases='union'), torch.zeros_like(VIDEO))
    assert sample.pred_spans[0].tolist() == [0, 16]


def test_a_sentence_is_answered_as_it_is_alone():
    generator = torch.Generator().manual_seed(0)
    videos, sentences = torch.randn(5, 12, 3, generator=generator), torch.randn(5, 2, 3, generator=generator)
    for paraphrases in (None, 'mean', 'union'):
        together = predict(make_model(paraphrases=paraphrases), videos, sentences)
        for row in range(5):
            alone, = predict(make_model(paraphrases=paraphrases), videos[row:row + 1], sentences[row:row + 1])
            torch.testing.assert_close(alone.pred_spans, together[row].pred_spans)


def test_query_without_sentence_vectors_and_of_another_space_are_refused():
    query = make_query(SENTENCES)
    with pytest.raises(ValueError, match='compares clips with sentence vectors, but the queries have none'):
        make_model()._propose(Batch(VIDEO, query._replace(sentences=None)))
    with pytest.raises(ValueError, match='Clips have 3 dimensions and sentence vectors 2'):
        make_model()._propose(Batch(VIDEO, query._replace(sentences=SENTENCES[..., :2])))
    with pytest.raises(ValueError, match="must be None, 'mean', 'union' or 'vote', got 'all'"):
        make_model(paraphrases='all')


def test_gaussians_of_a_mixture_are_masks_for_reconstructors_and_their_negatives():
    model = make_model(dict(type='GaussianMixture', num_proposals=2))
    assert model.proposal_generator.sigma == pytest.approx(12**0.5)
    outputs = model(MomentDataPreprocessor()(dict(inputs=Batch(VIDEO, make_query(SENTENCES))))['inputs'])
    assert outputs.proposals.masks.amax(dim=-1).tolist() == [[1, 1]]


def test_clips_like_those_at_the_peak_rise_and_absent_clips_have_no_part():
    generator = torch.Generator().manual_seed(0)
    video, curves = torch.randn(2, 9, 4, generator=generator), torch.randn(2, 3, 9, generator=generator)
    video[0, 4] = video[1, 7:] = 0
    mask, time = video.ne(0).any(dim=-1), np.arange(9)
    found = relevance_feedback(curves.masked_fill(~mask.unsqueeze(1), 9e9), video, mask, width=1.5).numpy()
    for row, there in enumerate(mask.numpy()):
        clips = F.normalize(video[row], dim=-1).numpy()[there]
        for number, curve in enumerate(curves[row].numpy()):
            curve = curve[there]
            wide = np.exp(-(time[there][:, None] - time[there])**2 / (2 * 3.0**2))
            peak = time[there][(wide @ curve / wide.sum(axis=1)).argmax()]
            near = np.exp(-(time[there] - peak)**2 / (2 * 1.5**2))
            likeness = clips @ (near @ clips / near.sum() - clips.mean(axis=0))
            slope = np.polyfit(likeness, curve, deg=1)[0]
            expected = curve + max(slope, 0) * (likeness - likeness.mean())
            np.testing.assert_allclose(found[row, number, there], expected, rtol=1e-4, atol=1e-5)


def test_feedback_that_the_curve_does_not_agree_with_changes_nothing():
    curves, mask = torch.tensor([[[1.0, 0.8, 0.8, 0]]]), torch.ones(1, 4).bool()
    for video in ([[1.0, 0], [0, 1], [0, 1], [1, 0]], [[1.0, 1]] * 4):  # the lowest clip is like the peak, or all are
        assert torch.equal(relevance_feedback(curves, torch.tensor([video]), mask, width=0.1), curves)
    assert torch.equal(relevance_feedback(curves, torch.zeros(1, 4, 2), ~mask, width=0.1), curves)  # an absent video


def test_moments_are_read_behind_the_feedback_and_clips_keep_their_similarity():
    blue, red, asked = [0, 0.0, 1], [0.3, 1.0, 0], torch.tensor([[[1.0, 0, 0]]])  # red is more like the best clips
    video = torch.tensor([[blue, [1, 1, 0], [1, 1, 0], red, red, blue, blue, blue]])
    query = EncodedQuery(features=None, mask=None, words=make_query(asked))
    alone, fed = (make_model(feedback=width).proposal_generator(video, query) for width in (None, 0.5))
    assert alone.spans[0, 0].mul(8).tolist() == [1, 3] and fed.spans[0, 0].mul(8).tolist() == [1, 5]
    assert torch.equal(alone.clips.scores, fed.clips.scores)


def test_what_several_paraphrases_find_wins_the_vote_over_what_one_finds_more_clearly():
    rest, clear, faint = [0.0, 0, 1], [1.0, 0, 0], [0, 1, 0.5]
    video = torch.tensor([[rest, clear, clear, rest, faint, faint, rest, rest]])
    sentences = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 1, 0]]])
    first = {mode: predict(make_model(paraphrases=mode, nms=0.7), video, sentences)[0].pred_spans[0].tolist()
             for mode in ('union', 'vote')}
    assert first == dict(union=[2, 6], vote=[8, 12])
