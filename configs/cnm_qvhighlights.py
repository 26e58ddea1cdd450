"""CNM on QVHighlights with captioned clips: a smaller model than the paper's, for its 1,542 queries."""
_base_ = ['_base_/datasets/qvhighlights_rewrites.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']

dim = 128
transformer = dict(type='DualTransformer', dim=dim, num_heads=4, num_layers=1, dropout=0.1)

model = dict(
    type='MomentRetriever',
    encoder=dict(type='LinearEncoder', dim=dim, dropout=0.1),
    proposal_generator=dict(
        type='GaussianProposalGenerator',
        dim=dim,
        transformer=transformer,
        num_proposals=1,
        num_clips=25,
        sigma=11**0.5,  # alpha = 5.5
        max_width=0.45,
        min_mask_width=0.1,
        peak_normalized=False),
    reconstructors=dict(query=dict(type='MaskedQueryReconstructor', dim=dim, transformer=transformer)),
    negatives=dict(easy=dict(type='Complement'), hard=dict(type='WholeVideo')),
    losses=dict(
        reconstruction=dict(type='ReconstructionLoss', references=['hard']),
        ranking=dict(type='RankingLoss', margins=dict(hard=0.1, easy=0.15))),
    tie_transformers=True,
    span_level=0.1353)  # exp(-2), two standard deviations: a choice without timestamps

adam = dict(optimizer=dict(type='Adam', lr=1e-3), clip_grad=dict(max_norm=10))
optim_wrapper = dict(
    constructor='AlternatingConstructor',
    reconstruction=adam,
    ranking=dict(modules=['proposal_generator.head'], **adam))

param_scheduler = [dict(type='InverseSquareRootLR', warmup=50)]
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=6, val_interval=3)
