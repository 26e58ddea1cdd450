"""MSCL on QVHighlights with captioned clips: a smaller model, for its 1,542 queries."""
_base_ = ['_base_/datasets/qvhighlights_rewrites.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 128

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1, blank=False),
    proposal_generator=dict(
        type='FrameScoreProposalGenerator',
        dim=dim,
        co_attention=dict(type='CoAttention', dim=dim, num_heads=4, dropout=0.1),
        feature_dim=64,
        num_mismatched=8,
        num_proposals=8),
    losses=dict(
        matching=dict(type='MatchingLoss', share=0.125),
        contrast=dict(type='SelfContrastiveLoss', windows=[4, 2, 1], start=0.6, loss_weight=0.05)),
    ranker=dict(type='ScoreRanker'))

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3), clip_grad=dict(max_norm=10))

param_scheduler = [dict(type='InverseSquareRootLR', warmup=50)]
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=6, val_interval=3)

# nothing is reconstructed, so there is no margin
val_evaluator = dict(_delete_=True, type='MomentRecall')
