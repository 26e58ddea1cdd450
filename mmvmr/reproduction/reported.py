"""What papers and their repositories report, from ``configs/metafile.yml``."""
from functools import lru_cache
from typing import Dict

from mmengine.fileio import load

from mmvmr.engine.run.places import shipped_configs


def reported_scores(config: str, protocol: str) -> Dict[str, float]:
    """Scores by metric that were reported for the method and protocol of a config that comes with mmvmr, or {}.

    Args:
        config: Its name.
        protocol: E.g. 'charades_sta/filtered'; results on made up features are compared with nothing.
    """
    return _all_reported().get((config, protocol), {})


@lru_cache(None)
def _all_reported() -> Dict:
    models = load(shipped_configs() / 'metafile.yml')['Models']
    return {(model['Name'], found['Protocol']): found['Metrics'] for model in models
            for found in model.get('Reported', [])}
