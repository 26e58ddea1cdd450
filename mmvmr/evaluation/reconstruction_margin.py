"""How well a model is doing, without a single annotated moment."""
from math import fsum  # its result does not depend on the order, which depends on the number of processes
from typing import Dict, List, Sequence

from mmengine.evaluator import BaseMetric

from mmvmr.registry import EVALUATORS


@EVALUATORS.register_module()
class ReconstructionMargin(BaseMetric):
    """Mean margin by which the chosen moment explains the query better than the rest of the video and the whole of it.

    Reconstruction needs no timestamps, so a checkpoint may be chosen by this number without leaving weak supervision.
    Higher is better.
    """
    default_prefix = ''

    def __init__(self) -> None:
        super().__init__(collect_device='gpu')  # by messages between the processes, not by a shared folder

    def keys(self) -> Sequence[str]:
        """The one name that it gives."""
        return ('reconstruction_margin',)

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Keep the margin of each pair; a video without features has none worth counting."""
        for sample in data_samples:
            if 'margin' not in sample:
                raise ValueError('ReconstructionMargin found no margin in a prediction: the model has no '
                                 'reconstructors. Choose its checkpoints by another metric, or keep the last one.')
            self.results.append(dict(sample_idx=sample['sample_idx'], margin=float(sample['margin']),
                                     absent=sample.get('absent', False)))

    def compute_metrics(self, results: List[dict]) -> Dict[str, float]:
        """The mean over the pairs, each counted once."""
        margins = {result['sample_idx']: result['margin'] for result in results if not result['absent']}
        return dict(reconstruction_margin=fsum(margins.values()) / len(margins)) if margins else {}
