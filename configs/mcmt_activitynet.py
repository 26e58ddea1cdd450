"""MCMT on ActivityNet Captions (IJMLC 2025), C3D features.

The paper's hyper-parameters are not public: those of CNM stand in, and what is a reconstruction of ours is marked (R).
"""
_base_ = ['_base_/datasets/activitynet_c3d.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 256
sigma = 10**0.5  # (R) alpha = 5
transformer = dict(type='DualTransformer', dim=dim, num_heads=4, num_layers=3, dropout=0.1)
reconstructor = dict(type='MaskedQueryReconstructor', dim=dim, transformer=transformer)
tasks = ['query', 'inverse']

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1),
    proposal_generator=dict(
        type='GaussianProposalGenerator',
        dim=dim,
        transformer=transformer,
        num_proposals=5,  # (R)
        num_clips=50,
        sigma=sigma,
        max_width=1.0,  # (R)
        min_mask_width=0.1,
        peak_normalized=False,
        bidirectional=True,
        spread_centers=True),  # (R)
    combiner=dict(type='ReconstructionWeighted', temperature=0.1),  # (R)
    reconstructors=dict(query=reconstructor, inverse=dict(inverse=True, **reconstructor)),
    negatives=dict(easy=dict(type='Complement'), hard=dict(type='WholeVideo')),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', tasks=tasks, references=['hard']),
        ranking=dict(type='RankingLoss', tasks=tasks, margins=dict(hard=0.1, easy=0.15))),
    ranker=dict(type='ReconstructionRanker'),
    tie_transformers=True,
    span_level=2.718281828**(-sigma**2 / 8))  # (R) exp(-alpha / 4), the level of CNM's c -+ w/2

adam = dict(optimizer=dict(type='Adam', lr=4e-4), clip_grad=dict(max_norm=10))
optim_wrapper = dict(
    constructor='AlternatingConstructor',
    reconstruction=adam,
    ranking=dict(modules=['proposal_generator.head', 'combiner'], **adam))

train_dataloader = dict(batch_size=128)
train_cfg = dict(max_epochs=30)
