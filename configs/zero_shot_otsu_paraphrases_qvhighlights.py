"""Nothing to train: Otsu's threshold, the similarity averaged over query and five paraphrases; on QVHighlights."""
_base_ = ['_base_/datasets/qvhighlights_captions.py', '_base_/default_runtime.py']

model = dict(
    type='MomentRetriever',
    encoder=dict(type='JointSpaceEncoder'),
    proposal_generator=dict(
        type='SimilarityProposalGenerator',
        decoder=dict(type='OtsuRuns', num_proposals=10, smoothing=1.5),
        paraphrases='mean'),
    ranker=dict(type='ScoreRanker'))
