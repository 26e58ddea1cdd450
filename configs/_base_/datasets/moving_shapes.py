"""Moving Shapes, medium: videos that this project renders itself. See docs/moving_shapes.md."""
dataset = dict(
    type='MovingShapes',
    data_root='data/moving_shapes',
    protocol='medium',
    features='features',
    vocabulary='vocabulary.npz',
    num_clips=64,
    feature_dim=57)
loader = dict(num_workers=0)

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
