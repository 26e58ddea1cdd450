"""Finding moments in many videos."""
from mmvmr.search.moment_index import MomentIndex

__all__ = ['MomentIndex']
