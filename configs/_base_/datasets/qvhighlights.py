"""QVHighlights as Moment-DETR publishes it: SlowFast and CLIP side by side, queries by CLIP. See docs/data.md."""
dataset = dict(
    type='QVHighlights',
    data_root='data/qvhighlights',
    protocol='val',
    features=[
        dict(path='features/slowfast_features', normalize=True),
        dict(path='features/clip_features', normalize=True)],
    text=dict(type='PrecomputedText', features='features/clip_text_features'),
    num_clips=75,  # of 2 s
    max_words=32,  # tokens
    feature_dim=2816)
training_files = dict(ann_file='highlight_train_release.jsonl', val_fraction=0.05)
test_files = dict(ann_file='highlight_val_release.jsonl')
loader = dict(num_workers=2, persistent_workers=True)

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

train_set = dict(dataset, **training_files, features=None, text=None)  # timestamps for the blind panel's diagnostic row
val_evaluator = [dict(type='ReconstructionMargin'), dict(type='MomentRecall')]
test_evaluator = dict(type='MomentRecall', report=True, train_set=train_set)
