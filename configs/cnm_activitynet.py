"""CNM on ActivityNet Captions (Zheng et al., AAAI 2022), C3D features, the authors' hyper-parameters.

With their CLIP features: `_base_/datasets/activitynet_clip.py`, video_dim=512 and 20 epochs.
"""
_base_ = ['_base_/datasets/activitynet_c3d.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 256
transformer = dict(type='DualTransformer', dim=dim, num_heads=4, num_layers=3, dropout=0.1)

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1),
    proposal_generator=dict(
        type='GaussianProposalGenerator',
        dim=dim,
        transformer=transformer,
        num_proposals=1,
        num_clips=50,
        sigma=10**0.5,  # alpha = 5
        max_width=1.0,
        min_mask_width=0.1,
        peak_normalized=False),
    reconstructors=dict(
        query=dict(type='MaskedQueryReconstructor', dim=dim, transformer=transformer)),
    negatives=dict(easy=dict(type='Complement'), hard=dict(type='WholeVideo')),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', references=['hard']),
        ranking=dict(type='RankingLoss', margins=dict(hard=0.1, easy=0.15))),
    tie_transformers=True)

adam = dict(optimizer=dict(type='Adam', lr=4e-4), clip_grad=dict(max_norm=10))
optim_wrapper = dict(
    constructor='AlternatingConstructor',
    reconstruction=adam,
    ranking=dict(modules=['proposal_generator.head'], **adam))

train_dataloader = dict(batch_size=128)
train_cfg = dict(max_epochs=30)
