"""QVHighlights with captioned clips, protocol "rewrites": trains on pairs whose windows are unknown, tests on val."""
dataset = dict(
    type='QVHighlightsCaptions',
    data_root='data/qvhighlights_captions',
    protocol='rewrites',
    vocabulary='vocabulary.npz',
    num_clips=75,  # of 2 s
    max_words=14,
    feature_dim=384)
training_files = dict(ann_file='pairs_test.jsonl', features='video_test.npz', val_fraction=0.05)
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
    dataset=dict(
        **dataset, ann_file='pairs_val.jsonl', features='video_val.npz', split='test', test_mode=True))

val_evaluator = [dict(type='ReconstructionMargin'), dict(type='MomentRecall')]
test_evaluator = dict(type='MomentRecall', report=True)
