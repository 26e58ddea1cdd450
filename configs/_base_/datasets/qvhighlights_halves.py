"""QVHighlights with captioned clips, protocol "halves": trains on half of val without windows, tests on the other."""
dataset = dict(
    type='QVHighlightsCaptions',
    data_root='data/qvhighlights_captions',
    protocol='halves',
    ann_file='pairs_val.jsonl',
    features='video_val.npz',
    vocabulary='vocabulary.npz',
    num_clips=75,  # of 2 s
    max_words=14,
    feature_dim=384)
training_files = dict(half='choosing', val_fraction=0.1)
loader = dict(num_workers=0)

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
    dataset=dict(**dataset, half='reporting', split='test', test_mode=True))

val_evaluator = [dict(type='ReconstructionMargin'), dict(type='MomentRecall')]
test_evaluator = dict(type='MomentRecall', report=True)
