"""Using a trained model: from a video and sentences to moments."""
from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.features.video_features import VideoFeatures

__all__ = ['MomentRetrievalInferencer', 'VideoFeatures']
