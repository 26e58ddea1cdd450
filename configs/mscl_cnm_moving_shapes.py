"""A mixture on Moving Shapes: the frame scores of MSCL are masks through which CNM's reconstructor sees the video."""
_base_ = ['_base_/datasets/moving_shapes.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 128
transformer = dict(type='DualTransformer', dim=dim, num_heads=4, num_layers=2, dropout=0.1, roles=['reconstruct'])

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1),
    proposal_generator=dict(
        type='FrameScoreProposalGenerator',
        dim=dim,
        co_attention=dict(type='CoAttention', dim=dim, num_heads=4, dropout=0.1),
        feature_dim=64,
        num_mismatched=8,
        num_proposals=5,
        num_clips=32),
    reconstructors=dict(query=dict(type='MaskedQueryReconstructor', dim=dim, transformer=transformer)),
    negatives=dict(easy=dict(type='Complement'), hard=dict(type='WholeVideo')),
    losses=dict(
        matching=dict(type='MatchingLoss', share=0.125),
        contrast=dict(type='SelfContrastiveLoss', windows=[4, 2, 1], start=0.6, loss_weight=0.05),
        reconstruction=dict(type='ReconstructionLoss', references=['hard']),
        ranking=dict(type='RankingLoss', margins=dict(hard=0.1, easy=0.15))),
    ranker=dict(type='ScoreRanker'))

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3), clip_grad=dict(max_norm=10))

param_scheduler = [dict(type='InverseSquareRootLR', warmup=100)]
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=6)
