"""Every valid combination of generator, reconstructor, combiner, negatives and losses, and why the others are not."""
import itertools

import pytest
import torch
from mmengine.optim import OptimWrapper
from parts import config, make_batch

from mmvmr.registry import MODELS
from mmvmr.structures import MomentSample

NUM_CLIPS = 10
GENERATORS = dict(
    gaussian=dict(config('cpl')['proposal_generator'], num_proposals=6),
    map=dict(type='TemporalMapProposalGenerator', dim=16, hidden_dim=8, scales=(4, 8), num_proposals=3,
             num_clips=NUM_CLIPS, num_layers=1),
    frame=dict(config('mscl')['proposal_generator'], num_proposals=6, num_clips=NUM_CLIPS))
QUERY = config('cpl')['reconstructors']['query']
RECONSTRUCTORS = dict(
    masked=dict(query=QUERY),
    both_ways=config('mcmt')['reconstructors'],
    caption=config('ms2d')['reconstructors'],
    none=None)
COMBINERS = dict(
    none=None,
    reconstruction=dict(type='ReconstructionWeighted'),
    attention=dict(type='AttentionWeighted', dim=16),
    equal=dict(type='EquallyWeighted'),
    union=dict(type='Union'),
    mixture=dict(type='AttentiveMixture', dim=16, groups=[1, 2, 3]),
    scan=dict(type='KeepDeleteScan'))
NEGATIVES = dict(
    complement=dict(type='Complement'),
    whole=dict(type='WholeVideo'),
    left=dict(type='Side', side='left'),
    learned={proposals: dict(type='LearnedNegative', num_gaussians=2, generator=dict(
        config('cpl')['proposal_generator'], num_proposals=2 * proposals)) for proposals in (1, 3, 6)})
LOSSES = dict(
    reconstruction=dict(type='ReconstructionLoss'),
    ranking=dict(type='RankingLoss', margins=dict(negative=0.1)),
    diversity=dict(type='DiversityLoss', width=0.4, components=True),
    pull=dict(type='PullLoss', groups=[1, 2, 3]),
    pseudo_label=dict(type='PseudoLabelLoss', labels='rank'),
    matching=dict(type='MatchingLoss'),
    contrast=dict(type='SelfContrastiveLoss', windows=[2, 1], shares=[1.0, 0.5], start=0.0))
RANKERS = dict(reconstruction=dict(type='ReconstructionRanker'), vote=dict(type='VoteRanker'),
               keep_delete=dict(type='KeepDeleteRanker'), score=dict(type='ScoreRanker'))


def _why_not(generator, reconstructor, combiner, loss, ranker):
    """The reason, as a pattern of the error message, why these do not go together; None where they do."""
    losses = (_base_loss(reconstructor), loss)
    if 'matching' in losses and generator != 'frame':
        return 'reads the clips of proposals'
    if reconstructor == 'none':
        if loss in ('reconstruction', 'ranking', 'pseudo_label'):
            return 'needs the reconstructors'
        if combiner != 'none':
            return 'A combiner asks the reconstructor named "query"|reads the scores'
        return None if ranker == 'score' else 'needs at least one of `reconstructors`'
    if loss == 'pseudo_label' and (generator != 'map' or combiner not in ('none', 'scan')):
        return 'reads the probabilities of proposals'
    if ranker == 'score' and combiner != 'scan' and (combiner != 'none' or generator == 'gaussian'):
        return 'reads the scores of proposals'
    return None


def _base_loss(reconstructor):
    """What every model with these reconstructors is trained by at least."""
    return 'matching' if reconstructor == 'none' else 'reconstruction'


def _build(generator, reconstructor, combiner, negative, loss, ranker):
    torch.manual_seed(0)
    proposals = dict(none=6, scan=6, mixture=3).get(combiner, 1)
    part = NEGATIVES[negative]
    return MODELS.build(dict(
        type='MomentRetriever',
        encoder=dict(type='LinearEncoder', video_dim=8, word_dim=6, dim=16, readout=True),
        proposal_generator=GENERATORS[generator], reconstructors=RECONSTRUCTORS[reconstructor],
        combiner=COMBINERS[combiner],
        negatives=dict(negative=part.get(proposals, part), deleted=dict(type='Complement')),
        losses={name: LOSSES[name] for name in (_base_loss(reconstructor), loss)}, ranker=RANKERS[ranker]))


def _train_and_predict(model):
    model.train()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    log = model.train_step(dict(inputs=make_batch()), wrapper)
    assert log['loss'].isfinite()
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    samples = [MomentSample(metainfo=dict(video_id='v', query='q', duration=10.0)) for _ in range(3)]
    with torch.no_grad():
        for sample in model.eval().val_step(dict(inputs=make_batch(), data_samples=samples)):
            assert ((sample.pred_spans >= 0) & (sample.pred_spans <= 10)).all()
            assert (sample.pred_spans[:, 0] <= sample.pred_spans[:, 1]).all() and sample.pred_scores.isfinite().all()


def _ranker_for(generator, reconstructor, combiner, number):
    """One of the rankers that can judge the candidates, another one for another number."""
    fitting = [name for name in RANKERS if _why_not(generator, reconstructor, combiner, None, name) is None]
    return fitting[number % len(fitting)] if fitting else 'score'


@pytest.mark.parametrize('generator, reconstructor', itertools.product(GENERATORS, RECONSTRUCTORS))
def test_what_fits_trains_and_predicts_and_the_rest_is_refused_with_a_reason(generator, reconstructor):
    for number, (combiner, loss) in enumerate(itertools.product(COMBINERS, LOSSES)):
        ranker = _ranker_for(generator, reconstructor, combiner, number)
        negatives = NEGATIVES if loss == 'ranking' else ['complement']
        for negative in negatives:
            case = (generator, reconstructor, combiner, negative, loss, ranker)
            reason = _why_not(generator, reconstructor, combiner, loss, ranker)
            if reason is None:
                _train_and_predict(_build(*case))
            else:
                with pytest.raises(ValueError, match=reason):
                    _build(*case)


@pytest.mark.parametrize('generator, combiner, ranker', itertools.product(GENERATORS, COMBINERS, RANKERS))
def test_rankers_judge_what_they_can_read(generator, combiner, ranker):
    reason = _why_not(generator, 'masked', combiner, None, ranker)
    case = (generator, 'masked', combiner, 'complement', 'reconstruction', ranker)
    if reason is None:
        _train_and_predict(_build(*case))
    else:
        with pytest.raises(ValueError, match=reason):
            _build(*case)
