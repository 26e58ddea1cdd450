"""Ours, nothing to train: clips like the most similar ones rise, and all paraphrases vote; on QVHighlights."""
_base_ = ['_base_/datasets/qvhighlights_captions.py', '_base_/default_runtime.py']

model = dict(
    type='MomentRetriever',
    encoder=dict(type='JointSpaceEncoder'),
    proposal_generator=dict(
        type='SimilarityProposalGenerator',
        decoder=dict(type='OtsuRuns', num_proposals=10, smoothing=1.0, nested=0.25),
        paraphrases='vote',
        nms=0.7,
        feedback=2.0),
    ranker=dict(type='ScoreRanker'))
