"""DiDeMo, its authors' splits; features of any size, 60 clips in 5 or 6 segments of 5 s. See docs/data.md."""
dataset = dict(
    type='DiDeMo',
    data_root='data/didemo',
    protocol='released',
    features='features',
    vocabulary='vocabulary.npz',
    num_clips=60)
loader = dict(num_workers=0)  # a packed store is read faster than worker processes hand batches over

train_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, ann_file='train_data.json', split='train'))
val_dataloader = dict(
    **loader,
    batch_size=128,
    sampler=dict(type='DefaultSampler', shuffle=False),
    batch_sampler=dict(type='BatchesInTurn'),
    dataset=dict(**dataset, ann_file='val_data.json', split='val', test_mode=True))
test_dataloader = dict(
    **loader,
    batch_size=128,
    sampler=dict(type='DefaultSampler', shuffle=False),
    batch_sampler=dict(type='BatchesInTurn'),
    dataset=dict(**dataset, ann_file='test_data.json', split='test', test_mode=True))

train_set = dict(dataset, ann_file='train_data.json', features=None)  # timestamps for the blind panel's diagnostic row
val_evaluator = [dict(type='ReconstructionMargin'), dict(type='MomentRecall')]
test_evaluator = dict(type='MomentRecall', report=True, train_set=train_set)
