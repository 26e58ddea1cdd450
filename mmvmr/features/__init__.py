"""From video files to clip features."""
from mmvmr.features.extract import extract_video as extract_video
from mmvmr.features.extract import make_manifest as make_manifest
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
