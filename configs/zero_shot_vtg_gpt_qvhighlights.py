"""Nothing to train: the histogram rule of VTG-GPT, united over query and five paraphrases; on QVHighlights."""
_base_ = ['_base_/datasets/qvhighlights_captions.py', '_base_/default_runtime.py']

model = dict(
    type='MomentRetriever',
    encoder=dict(type='JointSpaceEncoder'),
    proposal_generator=dict(
        type='SimilarityProposalGenerator',
        decoder=dict(type='HistogramRuns', num_proposals=10, num_bins=10, least=8, gap=6),
        paraphrases='union',
        nms=0.95),
    ranker=dict(type='ScoreRanker'))
