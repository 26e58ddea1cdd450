"""PPS on QVHighlights with captioned clips: a smaller model than the paper's, for its 1,542 queries."""
_base_ = ['_base_/datasets/qvhighlights_rewrites.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 128
groups = [1, 2, 3]  # mixture k has k Gaussians
sigma = 9
width = 0.338514  # lambda = 0.15 at T' = 50
transformer = dict(type='DualTransformer', dim=dim, num_heads=4, num_layers=1, dropout=0.1)
generator = dict(
    type='GaussianProposalGenerator',
    dim=dim,
    transformer=dict(transformer, roles=['locate']),
    num_clips=25,
    peak_normalized=True)

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1, readout=True),
    proposal_generator=dict(generator, num_proposals=sum(groups), groups=groups, sigma=sigma),
    combiner=dict(
        type='AttentiveMixture',
        dim=dim,
        groups=groups,
        shrink=1 - 4 / sigma),  # two standard deviations on either side: a choice without timestamps
    reconstructors=dict(
        query=dict(
            type='MaskedQueryReconstructor',
            dim=dim,
            transformer=dict(transformer, roles=['reconstruct']))),
    negatives=dict(
        learned=dict(
            type='LearnedNegative',
            generator=dict(generator, num_proposals=2 * len(groups), sigma=sigma),
            num_gaussians=2),
        hard=dict(type='WholeVideo')),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', references=['hard'], loss_weight=0.5),
        ranking=dict(type='RankingLoss', margins=dict(hard=0.1, learned=0.15), loss_weight=3.0),
        inter=dict(type='DiversityLoss', width=width, sigma=sigma, loss_weight=1.0),
        intra=dict(type='DiversityLoss', width=width, sigma=sigma, components=True, groups=groups, loss_weight=0.001),
        pull=dict(type='PullLoss', groups=groups, loss_weight=5.0)),
    ranker=dict(type='VoteRanker', weights='confidence'))

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3), clip_grad=dict(max_norm=10))

param_scheduler = [dict(type='InverseSquareRootLR', warmup=50)]
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=6, val_interval=3)
