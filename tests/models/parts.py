"""Small batches and model configs that the model tests share."""
import copy

import torch

from mmvmr.models.losses.diversity import width_of
from mmvmr.structures import Batch, Query

VOCAB = 12
_transformer = dict(type='DualTransformer', dim=16, num_heads=2, num_layers=2, dropout=0.1)
_reconstructor = dict(type='MaskedQueryReconstructor', dim=16, vocab_size=VOCAB, transformer=_transformer)
_generator = dict(type='GaussianProposalGenerator', dim=16, transformer=_transformer, num_clips=10)
_tasks = ['query', 'inverse']


def make_batch(lengths=(5, 3, 4), num_clips=20, video_dim=8, word_dim=6, seed=0) -> Batch:
    """A batch of random features; ``lengths`` are the words of each query."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    ids = torch.randint(1, VOCAB, mask.shape, generator=generator) * mask
    words = torch.randn(*mask.shape, word_dim, generator=generator) * mask.unsqueeze(-1)
    weights = torch.randint(1, 3, mask.shape, generator=generator).float() * mask
    video = torch.randn(len(lengths), num_clips, video_dim, generator=generator)
    return Batch(video, Query(words, mask, ids, weights))


CNM = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', video_dim=8, word_dim=6, dim=16),
    proposal_generator=dict(_generator, sigma=11**0.5, max_width=0.45, min_mask_width=0.1, peak_normalized=False),
    reconstructors=dict(query=_reconstructor),
    negatives=dict(easy=dict(type='Complement'), hard=dict(type='WholeVideo')),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', references=['hard']),
        ranking=dict(type='RankingLoss', margins=dict(hard=0.1, easy=0.15))),
    tie_transformers=True)

CPL = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', video_dim=8, word_dim=6, dim=16, readout=True),
    proposal_generator=dict(_generator, num_proposals=4),
    reconstructors=dict(query=_reconstructor),
    negatives=dict(
        left=dict(type='Side', side='left'), right=dict(type='Side', side='right'), hard=dict(type='WholeVideo')),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', references=['hard'], loss_weight=0.5),
        ranking=dict(type='RankingLoss', margins=dict(hard=0.1, left=0.15, right=0.15)),
        diversity=dict(type='DiversityLoss', width=width_of(0.146, sigma=9, num_clips=10), loss_weight=5.0)),
    ranker=dict(type='ReconstructionRanker'),
    tie_transformers=True)

MCMT = dict(
    CNM,
    proposal_generator=dict(CNM['proposal_generator'], num_proposals=3, bidirectional=True, spread_centers=True),
    combiner=dict(type='ReconstructionWeighted'),
    reconstructors=dict(query=_reconstructor, inverse=dict(_reconstructor, inverse=True)),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', tasks=_tasks, references=['hard']),
        ranking=dict(type='RankingLoss', tasks=_tasks, margins=dict(hard=0.1, easy=0.15))),
    ranker=dict(type='ReconstructionRanker'),
    span_level=0.25)

_groups = [1, 2, 3]
_locator = dict(_generator, transformer=dict(_transformer, roles=['locate']), num_proposals=6)
PPS = dict(
    CPL,
    proposal_generator=dict(_locator, groups=_groups),
    reconstructors=dict(query=dict(_reconstructor, transformer=dict(_transformer, roles=['reconstruct']))),
    combiner=dict(type='AttentiveMixture', dim=16, groups=_groups, shrink=0.15),
    negatives=dict(
        hard=dict(type='WholeVideo'),
        learned=dict(type='LearnedNegative', generator=dict(_locator, sigma=3), num_gaussians=2)),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', references=['hard'], loss_weight=0.5),
        ranking=dict(type='RankingLoss', margins=dict(hard=0.1, learned=0.15), loss_weight=3.0),
        inter=dict(type='DiversityLoss', width=width_of(0.15, sigma=9, num_clips=10), loss_weight=2.0),
        intra=dict(type='DiversityLoss', width=width_of(0.15, sigma=9, num_clips=10), components=True, groups=_groups,
                   loss_weight=0.1),
        pull=dict(type='PullLoss', groups=_groups, loss_weight=5.0)),
    ranker=dict(type='VoteRanker', weights='confidence'),
    tie_transformers=False)

MSCL = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', video_dim=8, word_dim=6, dim=16, blank=False),
    proposal_generator=dict(
        type='FrameScoreProposalGenerator', dim=16, co_attention=dict(type='CoAttention', dim=16, num_heads=2),
        feature_dim=8, num_mismatched=2, num_proposals=3),
    losses=dict(
        matching=dict(type='MatchingLoss'),
        contrast=dict(type='SelfContrastiveLoss', windows=[2, 1], shares=[1.0, 0.5], start=0.0)),
    ranker=dict(type='ScoreRanker'))

MS2D = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', video_dim=8, word_dim=6, dim=16, blank=False),
    proposal_generator=dict(
        type='TemporalMapProposalGenerator', dim=16, hidden_dim=12, scales=(4, 8), num_proposals=3, num_clips=10,
        num_layers=2),
    reconstructors=dict(query=dict(type='CaptionReconstructor', dim=16, vocab_size=VOCAB)),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', best_only=False),
        pseudo_label=dict(type='PseudoLabelLoss', num_groups=2)),
    ranker=dict(type='ScoreRanker'))

METHODS = dict(cnm=CNM, cpl=CPL, pps=PPS, mcmt=MCMT, ms2d=MS2D, mscl=MSCL)


def config(method: str) -> dict:
    """A copy of a method's config that a test may change."""
    return copy.deepcopy(METHODS[method])
