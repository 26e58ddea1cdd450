"""A mixture on Moving Shapes: MCMT's two reconstruction tasks judge the cells of MS-2D-RL's temporal maps."""
_base_ = ['_base_/datasets/moving_shapes.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 128
transformer = dict(type='DualTransformer', dim=dim, num_heads=4, num_layers=2, dropout=0.1, roles=['reconstruct'])
reconstructor = dict(type='MaskedQueryReconstructor', dim=dim, transformer=transformer)
tasks = ['query', 'inverse']

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1),
    proposal_generator=dict(
        type='TemporalMapProposalGenerator',
        dim=dim,
        hidden_dim=64,
        scales=(16, 32),
        num_proposals=4,
        num_clips=32,
        kernel_size=3,
        num_layers=2),
    reconstructors=dict(query=reconstructor, inverse=dict(inverse=True, **reconstructor)),
    negatives=dict(easy=dict(type='Complement'), hard=dict(type='WholeVideo')),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', tasks=tasks, references=['hard']),
        ranking=dict(type='RankingLoss', tasks=tasks, margins=dict(hard=0.1, easy=0.15)),
        pseudo_label=dict(type='PseudoLabelLoss', labels='rank', warmup=0.2)),
    ranker=dict(type='KeepDeleteRanker', negative='easy', weight=1.0))

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3), clip_grad=dict(max_norm=10))

param_scheduler = [dict(type='InverseSquareRootLR', warmup=100)]
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=4)
