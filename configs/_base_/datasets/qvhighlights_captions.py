"""QVHighlights with captioned clips, protocol "val" (1,550 pairs): clips and queries in one space. See docs/data.md."""
dataset = dict(
    type='QVHighlightsCaptions',
    data_root='data/qvhighlights_captions',
    protocol='val',
    num_clips=75,  # of 2 s
    feature_dim=384)

test_dataloader = dict(
    num_workers=0,
    batch_size=128,
    sampler=dict(type='DefaultSampler', shuffle=False),
    batch_sampler=dict(type='BatchesInTurn'),
    dataset=dict(
        **dataset,
        ann_file='pairs_val.jsonl',
        features='video_val.npz',
        text=dict(type='PrecomputedText', features='queries_val.npz'),
        split='test',
        test_mode=True))

test_evaluator = dict(type='MomentRecall', report=True)
test_cfg = dict()
