"""Ours on Moving Shapes: trained as CPL, then moments are read from the reconstructor by a scan."""
_base_ = ['_base_/datasets/moving_shapes.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 128
num_clips = 32  # T'
transformer = dict(type='DualTransformer', dim=dim, num_heads=4, num_layers=2, dropout=0.1)

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', video_dim=57, word_dim=300, dim=dim, dropout=0.1, readout=True),
    proposal_generator=dict(
        type='GaussianProposalGenerator',
        dim=dim,
        transformer=transformer,
        num_proposals=8,
        num_clips=num_clips,
        sigma=9,
        peak_normalized=True),
    reconstructors=dict(query=dict(type='MaskedQueryReconstructor', dim=dim, vocab_size=62, transformer=transformer)),
    negatives=dict(
        left=dict(type='Side', side='left', sigma=9, gamma=0.5),
        right=dict(type='Side', side='right', sigma=9, gamma=0.5),
        hard=dict(type='WholeVideo')),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', references=['hard'], loss_weight=0.5),
        ranking=dict(type='RankingLoss', margins=dict(hard=0.1, left=0.15, right=0.15), loss_weight=1.0),
        diversity=dict(type='DiversityLoss', target=0.146 * 50 / num_clips, loss_weight=5.0)),
    combiner=dict(type='KeepDeleteScan', num_clips=64),
    ranker=dict(type='ScoreRanker'),
    tie_transformers=True)

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3), clip_grad=dict(max_norm=10))

param_scheduler = [dict(type='InverseSquareRootLR', warmup=100)]
train_dataloader = dict(batch_size=32)
val_dataloader = dict(batch_size=32)  # a scan holds 128 masks per query
test_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=6)
