"""MSCL on ActivityNet Captions (Mo, Liu, Hu, arXiv 2203.03838), C3D features; all numbers are ours (R)."""
_base_ = ['_base_/datasets/activitynet_c3d.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 256  # (R)

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1, blank=False),
    proposal_generator=dict(
        type='FrameScoreProposalGenerator',
        dim=dim,
        co_attention=dict(type='CoAttention', dim=dim, num_heads=4, dropout=0.1),  # (R)
        feature_dim=128,  # (R)
        num_mismatched=8,  # (R) more queries of other videos: the one source of supervision
        num_proposals=8),  # (R)
    losses=dict(
        matching=dict(type='MatchingLoss', share=0.125),  # (R)
        contrast=dict(type='SelfContrastiveLoss', windows=[8, 4, 1], start=0.6, loss_weight=0.05)),  # (R)
    ranker=dict(type='ScoreRanker'))

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=4e-4), clip_grad=dict(max_norm=10))  # (R)

train_dataloader = dict(batch_size=64)  # (R)
train_cfg = dict(max_epochs=30)  # (R)

# nothing is reconstructed, so there is no margin
val_evaluator = dict(_delete_=True, type='MomentRecall')
