"""Nothing to train: the maximum subarray after subtracting the mean, as in REZE; on QVHighlights."""
_base_ = ['_base_/datasets/qvhighlights_captions.py', '_base_/default_runtime.py']

model = dict(
    type='MomentRetriever',
    encoder=dict(type='JointSpaceEncoder'),
    proposal_generator=dict(
        type='SimilarityProposalGenerator',
        decoder=dict(type='MaximumSubarray', num_proposals=10)),
    ranker=dict(type='ScoreRanker'))
