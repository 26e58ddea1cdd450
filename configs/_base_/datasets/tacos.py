"""TACoS with the splits of 2D-TAN (9,790 / 4,436 / 4,001 pairs), C3D features of 4096 dimensions. See docs/data.md."""
dataset = dict(
    type='TACoS',
    data_root='data/tacos',
    protocol='2d_tan',
    features='features',
    vocabulary='vocabulary.npz',
    num_clips=200,
    feature_dim=4096)
loader = dict(num_workers=0)  # a packed store is read faster than worker processes hand batches over

train_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, ann_file='train.json', split='train'))
val_dataloader = dict(
    **loader,
    batch_size=128,
    sampler=dict(type='DefaultSampler', shuffle=False),
    batch_sampler=dict(type='BatchesInTurn'),
    dataset=dict(**dataset, ann_file='val.json', split='val', test_mode=True))
test_dataloader = dict(
    **loader,
    batch_size=128,
    sampler=dict(type='DefaultSampler', shuffle=False),
    batch_sampler=dict(type='BatchesInTurn'),
    dataset=dict(**dataset, ann_file='test.json', split='test', test_mode=True))

train_set = dict(dataset, ann_file='train.json', features=None)  # timestamps for the blind panel's diagnostic row
val_evaluator = [dict(type='ReconstructionMargin'), dict(type='MomentRecall')]
test_evaluator = dict(type='MomentRecall', report=True, train_set=train_set)
