"""ActivityNet Captions, C3D features of 500 dimensions; selects on val_1, tests on val_2. See docs/data.md."""
dataset = dict(
    type='ActivityNetCaptions',
    data_root='data/activitynet_captions',
    protocol='val_2',
    features='features',  # a packed store, or the HDF5 file of the challenge itself
    vocabulary='vocabulary.npz',
    num_clips=200,
    feature_dim=500)
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
    dataset=dict(**dataset, ann_file='val_1.json', split='val', test_mode=True))
test_dataloader = dict(
    **loader,
    batch_size=128,
    sampler=dict(type='DefaultSampler', shuffle=False),
    batch_sampler=dict(type='BatchesInTurn'),
    dataset=dict(**dataset, ann_file='val_2.json', split='test', test_mode=True))

train_set = dict(dataset, ann_file='train.json', features=None)  # timestamps for the blind panel's diagnostic row
val_evaluator = [dict(type='ReconstructionMargin'), dict(type='MomentRecall')]
test_evaluator = dict(type='MomentRecall', report=True, train_set=train_set)
