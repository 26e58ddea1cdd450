"""MS-2D-RL on QVHighlights with captioned clips: a smaller model than for the benchmarks, for its 1,542 queries.

Written from the abstract and the poster of the paper; what they do not say is our reconstruction, marked (R).
"""
_base_ = ['_base_/datasets/qvhighlights_rewrites.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 128

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1, blank=False),
    proposal_generator=dict(
        type='TemporalMapProposalGenerator',
        dim=dim,
        hidden_dim=64,  # (R)
        scales=(16, 32),  # (R)
        num_proposals=8,  # (R) per scale
        num_clips=64,
        kernel_size=3,  # (R)
        num_layers=2,  # (R)
        nms=0.5),  # (R)
    reconstructors=dict(query=dict(type='CaptionReconstructor', dim=dim)),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', best_only=False),
        pseudo_label=dict(type='PseudoLabelLoss', labels='rank', warmup=0.2)),  # (R) all scales together
    ranker=dict(type='ReconstructionRanker'))  # (R) within so few epochs the captioner knows more than the scores

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=3e-3), clip_grad=dict(max_norm=10))

param_scheduler = [dict(type='InverseSquareRootLR', warmup=50)]
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=6, val_interval=3)
