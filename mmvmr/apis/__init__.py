"""Using a trained model: from videos and sentences to moments."""
from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.apis.moment_index import MomentIndex
from mmvmr.apis.video_features import VideoFeatures

__all__ = ['MomentIndex', 'MomentRetrievalInferencer', 'VideoFeatures']
