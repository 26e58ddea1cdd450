"""Nothing to train, on data of your own: sentences are embedded by the text side of the features. docs/zero_shot.md."""
_base_ = ['_base_/default_runtime.py']

dataset = dict(
    type='MomentDataset',
    data_root='data/custom',
    features='features',  # by a model of pictures and text, in clips of 1 s
    num_clips=None)  # as many as there are

model = dict(
    type='MomentRetriever',
    encoder=dict(type='JointSpaceEncoder'),
    proposal_generator=dict(
        type='SimilarityProposalGenerator',
        decoder=dict(type='OtsuRuns', num_proposals=10, smoothing=2.0),
        feedback=1.5),
    ranker=dict(type='ScoreRanker'))

test_dataloader = dict(
    num_workers=0,
    batch_size=1,  # videos of any length
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, ann_file='test.json', split='test', test_mode=True))
train_set = dict(dataset, ann_file='train.json', features=None)  # if there is one, for the blind panel's diagnostic row
test_evaluator = dict(type='MomentRecall', report=True, train_set=train_set)
test_cfg = dict()
