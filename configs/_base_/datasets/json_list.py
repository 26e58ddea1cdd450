"""Data of your own: JSON lists of [video_id, duration, [start, end], sentence] in data/custom. See docs/data.md."""
dataset = dict(
    type='MomentDataset',
    data_root='data/custom',
    features='features',  # a packed store, an HDF5 file or a folder of .npy
    vocabulary='vocabulary.npz',
    num_clips=200)
training_files = dict(ann_file='train.json', val_fraction=0.1)
loader = dict(num_workers=0)  # a packed store is read faster than worker processes hand batches over

train_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, **training_files, split='train'))
val_dataloader = dict(
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
    dataset=dict(**dataset, ann_file='test.json', split='test', test_mode=True))

train_set = dict(dataset, **training_files, features=None)  # timestamps, if any, for the blind panel's diagnostic row
val_evaluator = dict(type='ReconstructionMargin')  # spans may be unknown in training files
test_evaluator = dict(type='MomentRecall', report=True, train_set=train_set)
