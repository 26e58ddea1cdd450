"""MS-2D-RL on Charades-STA (Li et al., ICPR 2020), I3D features.

Written from the abstract and the poster of the paper, with the settings of the author's later code; what neither says
is our reconstruction, marked (R). Our own setting: ms2d_charades.
"""
_base_ = ['_base_/datasets/charades_sta.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 512
scales = (64, 28, 6)

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1, blank=False),
    proposal_generator=dict(
        type='TemporalMapProposalGenerator',
        dim=dim,
        hidden_dim=dim,
        scales=scales,
        num_proposals=10,  # per scale
        num_clips=64,
        kernel_size=5,
        num_layers=8,
        nms=0.5,  # (R)
        word_layers=3),
    reconstructors=dict(query=dict(type='CaptionReconstructor', dim=dim)),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', best_only=False),
        pseudo_label=dict(
            type='PseudoLabelLoss',
            labels='thresholds',
            bounds=(0.1, 0.7),
            num_groups=len(scales))),
    ranker=dict(type='ScoreRanker'))

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-4),
    clip_grad=dict(max_norm=10))  # (R)

train_dataloader = dict(batch_size=128)
train_cfg = dict(max_epochs=30)  # (R)
val_evaluator = [dict(type='ReconstructionMargin'), dict(type='MomentRecall', nms=0.45)]
test_evaluator = dict(nms=0.45)
