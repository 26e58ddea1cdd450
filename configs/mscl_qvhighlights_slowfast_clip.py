"""MSCL on QVHighlights, SlowFast and CLIP features as published; nothing was tuned (numbers as on Charades-STA)."""
_base_ = ['_base_/datasets/qvhighlights.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 256

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1, blank=False),
    proposal_generator=dict(
        type='FrameScoreProposalGenerator',
        dim=dim,
        co_attention=dict(type='CoAttention', dim=dim, num_heads=4, dropout=0.1),
        feature_dim=128,
        num_mismatched=8,
        num_proposals=10),
    losses=dict(
        matching=dict(type='MatchingLoss', share=0.125),
        contrast=dict(type='SelfContrastiveLoss', windows=[8, 4, 1], start=0.6, loss_weight=0.05)),
    ranker=dict(type='ScoreRanker'))

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=4e-4), clip_grad=dict(max_norm=10))

train_dataloader = dict(batch_size=64)
train_cfg = dict(max_epochs=30)

# nothing is reconstructed, so there is no margin
val_evaluator = dict(_delete_=True, type='MomentRecall')
