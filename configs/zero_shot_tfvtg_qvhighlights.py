"""Nothing to train: the windows of TFVTG, starts moved back to where the curve begins to rise; on QVHighlights."""
_base_ = ['_base_/datasets/qvhighlights_captions.py', '_base_/default_runtime.py']

model = dict(
    type='MomentRetriever',
    encoder=dict(type='JointSpaceEncoder'),
    proposal_generator=dict(
        type='SimilarityProposalGenerator',
        decoder=dict(
            type='ContrastWindows',
            num_proposals=10,
            stride=8,  # 50 frames at 3 per second
            longest=0.5,
            nms=0.3,
            floor=0.2,
            rise=5e-4),
        paraphrases='mean'),
    ranker=dict(type='ScoreRanker'))
