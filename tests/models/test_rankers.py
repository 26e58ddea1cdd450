import pytest
import torch
from parts import VOCAB, config, make_batch

from mmvmr.models.rankers import KeepDeleteRanker, ScoreRanker, VoteRanker
from mmvmr.registry import MODELS
from mmvmr.structures import MomentSample, Outputs, Proposals


def _outputs(nll, spans=None, scores=None):
    count = len(nll['positive'][0])
    proposals = Proposals(torch.tensor([spans or [[0.0, 1.0]] * count]), torch.zeros(1, count, 5), scores)
    nll = {name: torch.tensor(values) for name, values in nll.items()}
    return Outputs(None, None, None, proposals, proposals, dict(query=nll))


def test_moment_counts_by_what_its_deletion_ruins_and_what_it_explains():
    outputs = _outputs(dict(positive=[[2.0, 1.0, 1.0]], deleted=[[4.0, 3.0, 3.5]]))
    assert KeepDeleteRanker(weight=0.5)(outputs).tolist() == [[0.0, 0.5, 0.75]]


def test_keep_and_delete_reconstructs_from_the_complement_of_every_candidate():
    torch.manual_seed(0)
    plain = config('cpl')
    plain['negatives']['deleted'] = dict(type='Complement')
    model = MODELS.build(dict(plain, ranker=dict(type='KeepDeleteRanker', weight=2.0))).eval()
    batch = model.data_preprocessor(dict(inputs=make_batch()), False)['inputs']
    samples = [MomentSample(metainfo=dict(video_id='v', query='q', duration=1.0)) for _ in range(3)]
    with torch.no_grad():
        outputs = model.retrieve(batch)
        masks, reconstructor = outputs.proposals.masks, model.reconstructors['query']
        expected = 2 * reconstructor(outputs.video, outputs.query, 1 - masks) - outputs.nll['query']['positive']
        predicted = model.predict(batch, samples)
    scores = torch.stack([sample.pred_scores for sample in predicted])
    torch.testing.assert_close(scores, expected.sort(dim=1, descending=True).values)


def test_votes_count_by_confidence():
    # 1 is best and confident; 0 and 2 overlap, but 2 has the highest NLL and no say
    nll, spans = dict(positive=[[1.9, 1.0, 2.0]]), [[0.0, 0.4], [0.5, 0.9], [0.0, 0.4]]
    assert VoteRanker()(_outputs(nll, spans)).argmax().item() == 0
    assert VoteRanker('confidence')(_outputs(nll, spans)).argmax().item() == 1
    with pytest.raises(ValueError, match="'equal', 'best' or 'confidence', got 'most'"):
        VoteRanker('most')


def test_votes_are_cast_on_what_lies_inside_the_video():
    # inside, the first two are the same moment; as they stand, they hardly overlap, and the other two do
    spans = [[-1.0, 0.4], [0.0, 0.4], [0.5, 0.9], [0.55, 0.95]]
    assert VoteRanker()(_outputs(dict(positive=[[1.0, 2.0, 3.0, 4.0]]), spans)).argmax().item() == 0


def test_own_scores_need_a_generator_that_has_some():
    scores = torch.tensor([[0.2, 0.9]])
    assert ScoreRanker()(_outputs(dict(positive=[[1.0, 2.0]]), scores=scores)) is scores
    with pytest.raises(ValueError, match='.ScoreRanker. reads the scores of proposals.*add the line `gives'):
        MODELS.build(dict(config('cpl'), ranker=dict(type='ScoreRanker')))
    with pytest.raises(ValueError, match='but ReconstructionWeighted does not say that it gives them'):
        MODELS.build(dict(config('mcmt'), ranker=dict(type='ScoreRanker')))


def test_transformers_are_shared_only_where_there_are_some():
    broken = config('cnm')
    broken['reconstructors']['query'] = dict(type='CaptionReconstructor', dim=16, vocab_size=VOCAB)
    with pytest.raises(ValueError, match='CaptionReconstructor has no transformer that could be shared'):
        MODELS.build(broken)


