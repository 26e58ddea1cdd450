"""Configs that earlier versions have left in the folders of runs: the same model, as it is written today."""
from typing import Any, Dict

from mmvmr.engine.run.check_config import arguments_of, find_part
from mmvmr.models.losses.diversity import width_of


def translate(model: Dict[str, Any]) -> None:
    """Bring the config of a model up to date, in place.

    ``DiversityLoss`` was given lambda as ``target``, which held for one T' and sigma.
    """
    generator = model.get('proposal_generator') or {}
    for loss in (model.get('losses') or {}).values():
        if loss.get('type') == 'DiversityLoss' and 'target' in loss:
            arguments = arguments_of(find_part(generator['type'], 'model.proposal_generator'))
            sigma, num_clips = (generator.get(name, arguments[name].default if name in arguments else default)
                                for name, default in (('sigma', 9), ('num_clips', None)))
            if num_clips:
                loss.update(width=width_of(loss.pop('target'), sigma, num_clips), sigma=sigma)
