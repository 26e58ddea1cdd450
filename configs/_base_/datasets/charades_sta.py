"""Charades-STA, protocol "filtered" (10,602 / 3,158 pairs), I3D features of 1024 dimensions. See docs/data.md."""
dataset = dict(
    type='CharadesSTA',
    data_root='data/charades_sta',
    protocol='filtered',
    features='features',  # a packed store, HDF5 file or folder of .npy: 'features' may be any of them
    vocabulary='vocabulary.npz',
    num_clips=200,
    feature_dim=1024)
training_files = dict(ann_file='charades_sta_train.txt', durations='Charades_v1_train.csv', val_fraction=0.05)
test_files = dict(ann_file='charades_sta_test.txt', durations='Charades_v1_test.csv')
loader = dict(num_workers=0)  # a packed store is read faster than worker processes hand batches over

train_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, **training_files, split='train'))
val_dataloader = dict(  # videos held out of the training split: the test split serves no selection
    **loader,
    batch_size=128,
    sampler=dict(type='DefaultSampler', shuffle=False),
    batch_sampler=dict(type='BatchesInTurn'),
    dataset=dict(**dataset, **training_files, split='val', test_mode=True))
test_dataloader = dict(
    **loader,
    batch_size=128,
    sampler=dict(type='DefaultSampler', shuffle=False),
    batch_sampler=dict(type='BatchesInTurn'),
    dataset=dict(**dataset, **test_files, split='test', test_mode=True))

train_set = dict(dataset, **training_files, features=None)  # timestamps for the blind panel's diagnostic row
val_evaluator = [dict(type='ReconstructionMargin'), dict(type='MomentRecall')]
test_evaluator = dict(type='MomentRecall', report=True, train_set=train_set)
