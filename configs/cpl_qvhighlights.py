"""CPL on QVHighlights with captioned clips: a smaller model than the paper's, for its 1,542 queries."""
_base_ = ['_base_/datasets/qvhighlights_rewrites.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 128
sigma = 9
transformer = dict(type='DualTransformer', dim=dim, num_heads=4, num_layers=1, dropout=0.1)

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1, readout=True),
    proposal_generator=dict(
        type='GaussianProposalGenerator',
        dim=dim,
        transformer=transformer,
        num_proposals=8,
        num_clips=25,
        sigma=sigma,
        peak_normalized=True),
    reconstructors=dict(query=dict(type='MaskedQueryReconstructor', dim=dim, transformer=transformer)),
    negatives=dict(
        left=dict(type='Side', side='left', sigma=sigma, gamma=0.5),
        right=dict(type='Side', side='right', sigma=sigma, gamma=0.5),
        hard=dict(type='WholeVideo')),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', references=['hard'], loss_weight=0.5),
        ranking=dict(type='RankingLoss', margins=dict(hard=0.1, left=0.15, right=0.15), loss_weight=1.0),
        diversity=dict(type='DiversityLoss', width=0.347788, sigma=sigma, loss_weight=5.0)),  # CPL's lambda of 0.146
    ranker=dict(type='ReconstructionRanker'),
    tie_transformers=True,
    span_level=0.1353)  # exp(-2), two standard deviations: a choice without timestamps

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3), clip_grad=dict(max_norm=10))

param_scheduler = [dict(type='InverseSquareRootLR', warmup=50)]
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=6, val_interval=3)
