"""MS-2D-RL on ActivityNet Captions (Li et al., ICPR 2020), C3D features.

Written from the abstract and the poster of the paper; what they do not say is our reconstruction, marked (R).
"""
_base_ = ['_base_/datasets/activitynet_c3d.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 256  # (R)
scales = (64, 32, 16)  # (R); largest first: its gradient comes last, when the other maps are gone from memory

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1, blank=False),
    proposal_generator=dict(
        type='TemporalMapProposalGenerator',
        dim=dim,
        hidden_dim=dim,
        scales=scales,
        num_proposals=8,  # (R) per scale
        num_clips=64,
        kernel_size=3,  # (R)
        num_layers=3,  # (R)
        nms=0.5),  # (R)
    reconstructors=dict(query=dict(type='CaptionReconstructor', dim=dim)),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', best_only=False),
        pseudo_label=dict(
            type='PseudoLabelLoss',
            labels='thresholds',
            delta=0.02,  # (R)
            num_groups=len(scales),
            warmup=0.05)),  # (R) off in the first epoch
    ranker=dict(type='ScoreRanker'))

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=4e-4),  # (R)
    paramwise_cfg=dict(custom_keys={'proposal_generator': dict(lr_mult=0.25)}),  # (R) 1e-4, as in 2D-TAN
    clip_grad=dict(max_norm=10))

train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=30)
# suppression at test time as 2D-TAN on ActivityNet Captions
val_evaluator = [dict(type='ReconstructionMargin'), dict(type='MomentRecall', nms=0.5)]
test_evaluator = dict(nms=0.5)
