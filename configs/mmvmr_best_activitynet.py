"""Ours on ActivityNet Captions: trained as CPL, then moments are read from the reconstructor by a scan.

The numbers of the scan were chosen on Moving Shapes; nobody has tried them on real features.
"""
_base_ = ['_base_/datasets/activitynet_c3d.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 256
sigma = 9
transformer = dict(type='DualTransformer', dim=dim, num_heads=4, num_layers=3, dropout=0.1)

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1, readout=True),
    proposal_generator=dict(
        type='GaussianProposalGenerator',
        dim=dim,
        transformer=transformer,
        num_proposals=8,
        num_clips=50,
        sigma=sigma,
        peak_normalized=True),
    reconstructors=dict(
        query=dict(type='MaskedQueryReconstructor', dim=dim, transformer=transformer)),
    negatives=dict(
        left=dict(type='Side', side='left', sigma=sigma, gamma=0),
        right=dict(type='Side', side='right', sigma=sigma, gamma=0),
        hard=dict(type='WholeVideo')),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', references=['hard'], loss_weight=0.5),
        ranking=dict(type='RankingLoss', margins=dict(hard=0.1, left=0.15, right=0.15), loss_weight=2.0),
        diversity=dict(type='DiversityLoss', width=0.390593, sigma=sigma, loss_weight=0.1)),  # lambda = 0.13
    combiner=dict(type='KeepDeleteScan'),
    ranker=dict(type='ScoreRanker'),
    tie_transformers=True)

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=4e-4), clip_grad=dict(max_norm=10))

train_dataloader = dict(batch_size=32)
val_dataloader = dict(batch_size=16)  # a scan holds 59 masks per query
test_dataloader = dict(batch_size=16)
train_cfg = dict(max_epochs=30, val_interval=30)  # a scan takes long: only the last epoch is validated
