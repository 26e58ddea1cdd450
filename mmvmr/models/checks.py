"""Refuse parts that cannot do what is asked of them, with the line to add: when a model is built, and as it runs."""
import inspect
from typing import Any, Iterator, List, Optional, Tuple, get_type_hints

from mmengine.model import BaseModel
from torch import Tensor, nn
from torch import bool as bool_

from mmvmr.models.interface import (
    FIELDS,
    Combiner,
    Encoder,
    Loss,
    Merger,
    Negative,
    ProposalGenerator,
    Ranker,
    Reconstructor,
    trait,
)
from mmvmr.structures import EncodedQuery, Proposals, Query


def check_model(model: BaseModel) -> None:
    """Refuse parts that cannot do what their verbs ask for, and combinations of parts that cannot work.

    Args:
        model: A MomentRetriever with all its parts.

    Raises:
        TypeError, ValueError: The message says which part, and what to do.
    """
    for place, part, verb in _parts(model):
        check_part(part, verb, place)
    _check_advisers(model)
    for place, part, verb in _parts(model):
        if verb in (Loss, Ranker):
            _check_judge(model, f'{place} ({type(part).__name__})', part, verb)
    if model.reconstructors and model.encoder.reads_query:
        raise ValueError(f'{type(model.encoder).__name__} reads the query, so the video that it encodes would tell the '
                         'reconstructors the hidden words. Use an encoder that does not, e.g. LinearEncoder.')
    if model.combiner is not None:
        _check_combiner(model)
    if model.merger is not None:
        _check_merger(model)
    _check_sigma(model)


def _parts(model: BaseModel) -> Iterator[Tuple[str, nn.Module, type]]:
    """Places, parts and verbs."""
    yield 'encoder', model.encoder, Encoder
    yield 'proposal_generator', model.proposal_generator, ProposalGenerator
    for kind, verb in (('reconstructors', Reconstructor), ('negatives', Negative), ('losses', Loss)):
        for name, part in getattr(model, kind).items():
            yield f'{kind}.{name}', part, verb
    for place, verb in (('combiner', Combiner), ('ranker', Ranker), ('merger', Merger)):
        if getattr(model, place) is not None:
            yield place, getattr(model, place), verb


def _check_combiner(model: BaseModel) -> None:
    if 'query' not in model.reconstructors:
        raise ValueError('A combiner asks the reconstructor named "query", but the model has '
                         f'{list(model.reconstructors)}. Name one of `reconstructors` so in the config.')
    asked = model.reconstructors['query']
    if trait(asked, Reconstructor, 'explain') is None:
        raise ValueError(f'A combiner asks the reconstructor named "query", but {type(asked).__name__} has no method '
                         'explain(video, query, masks) -> nll (B, M), states (B, M, D). Add it to the class.')


def _check_advisers(model: BaseModel) -> None:
    for name, adviser in model.advisers.items():
        if not hasattr(adviser, 'rank'):
            raise TypeError(f'advisers.{name} is a {type(adviser).__name__}; expected a whole model, such as '
                            "dict(type='MomentRetriever', encoder=..., proposal_generator=...).")
    names = _logged_losses(model)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f'Two losses of the model and its advisers would be called {twice}, so one would be lost: '
                         'they are called loss_NAME_ADVISER. Rename one of the losses or an adviser.')


def _logged_losses(model: BaseModel) -> List[str]:
    """The names of the losses as ``MomentRetriever.loss`` returns them."""
    of_advisers = (f'{key}_{place}' for place, adviser in model.advisers.items() for key in _logged_losses(adviser))
    return [*(f'loss_{name}' for name in model.losses), *of_advisers]


def _check_merger(model: BaseModel) -> None:
    if 'scores' not in trait(model.merger, Merger, 'gives'):
        raise ValueError(f'merger: {type(model.merger).__name__} does not give the scores by which the candidates are '
                         "ordered. Add 'scores' to `gives` of the class, and give them.")
    observe = trait(model.merger, Merger, 'observe')
    if observe is not None:
        try:
            inspect.signature(observe).bind('own', 'other')
        except TypeError as error:
            raise TypeError(f'merger: observe of {type(model.merger).__name__} should be a method that takes '
                            '(own, other), the nll (B,) of queries in their own and in another video: '
                            f'{error}.') from None
    for place, one in (('the model', model), *((f'advisers.{name}', one) for name, one in model.advisers.items())):
        if one is not model and one.merger is not None:
            source, verb = one.merger, Merger
        elif one.combiner is not None:
            source, verb = one.combiner, Combiner
        else:
            source, verb = one.proposal_generator, ProposalGenerator
        for field in trait(model.merger, Merger, 'reads'):
            if field not in trait(source, verb, 'gives'):
                raise ValueError(f'merger ({type(model.merger).__name__}) reads the {field} of each answer, but the '
                                 f'{type(source).__name__} of {place} does not give them. Use VoteMerger, or a '
                                 'FrameScoreProposalGenerator or KeepDeleteScan there.')


def _check_sigma(model: BaseModel) -> None:
    own = trait(model.proposal_generator, ProposalGenerator, 'sigma')
    for place, part, verb in _parts(model):
        sigma = trait(part, verb, 'sigma') if verb in (Negative, Loss) else None
        if None not in (own, sigma) and sigma != own:
            raise ValueError(f'{place} ({type(part).__name__}) has sigma={sigma:g}, but the proposals are drawn with '
                             f'sigma={own:g}. Give both the same.')


def _check_judge(model: BaseModel, name: str, judge: nn.Module, verb: type) -> None:
    for kind, attribute in (('negatives', 'negatives'), ('reconstructors', 'tasks')):
        present = getattr(model, kind)
        missing = [item for item in trait(judge, verb, attribute) or () if item not in present]
        if missing:
            raise ValueError(f'{name} needs the {kind} {missing}, but the model has {list(present)}. Add them under '
                             f'`{kind}` in the config, or name others there.')
    reads = trait(judge, verb, 'reads')
    if verb is Ranker and 'scores' not in reads and not model.reconstructors:
        raise ValueError(f'{name} needs at least one of `reconstructors`, but there is none.')
    for field in reads:
        sources = [(model.proposal_generator, ProposalGenerator)]
        if model.combiner is not None and field != 'clips':  # what is said of clips passes by a combiner
            sources = [] if verb is Ranker else sources
            sources += [(model.combiner, Combiner)]
        for source, kind in sources:
            if field not in trait(source, kind, 'gives'):
                raise ValueError(f'{name} reads the {field} of proposals, but {type(source).__name__} does not say '
                                 f'that it gives them. If it does, add the line `gives = ({field!r},)` to its class; '
                                 'else choose another part.')


def check_part(part: Any, verb: type, place: str) -> None:
    """Refuse a part that cannot do what its verb asks for; the message has the line to add.

    Args:
        place: What the part is called in a config, such as ``losses.ranking``.

    Raises:
        TypeError: If it is no module, takes other arguments, lacks an attribute, or has one of another kind.
    """
    name = type(part).__name__
    if not isinstance(part, nn.Module):
        raise TypeError(f'{place} is a {name}; expected a part, an nn.Module with a forward, or the config of one.')
    if type(part).forward is nn.Module.forward:
        raise TypeError(f'{place}: {name} has no forward. Add it to the class: '
                        f'{" ".join(verb.__call__.__doc__.split())}')
    wanted = [key for key in inspect.signature(verb.__call__).parameters if key != 'self']
    signature = inspect.signature(part.forward)
    try:
        signature.bind(*wanted)
    except TypeError:
        raise TypeError(f'{place}: the forward of {name} takes {signature}; expected ({", ".join(wanted)}): '
                        f'{" ".join(verb.__call__.__doc__.split())}') from None
    for key in get_type_hints(verb):
        if not hasattr(verb, key) and not hasattr(part, key):
            raise TypeError(f'{place}: {name} does not say what {key} is. Add the line `{key} = False`, or True, to '
                            f'the class; see {verb.__name__} in mmvmr/models/interface.py.')
        _check_names(part, key, place)


def _check_names(part: nn.Module, key: str, place: str) -> None:
    """Refuse names that are not in a tuple, and fields that proposals do not have."""
    value = getattr(part, key, ())
    if key not in ('negatives', 'tasks', 'reads', 'gives') or (
            isinstance(value, (tuple, list)) and all(isinstance(item, str) for item in value)
            and (key in ('negatives', 'tasks') or set(value) <= set(FIELDS))):
        return
    known = f', of {", ".join(map(repr, FIELDS))}' if key in ('reads', 'gives') else ''
    example = value if isinstance(value, str) and not (known and value not in FIELDS) else 'scores' if known else 'hard'
    raise TypeError(f'{place}: {key} of {type(part).__name__} is {value!r}; expected a tuple of names{known}, such as '
                    f'`{key} = ({example!r},)`.')


def check_shape(part: nn.Module, what: str, found: Any, boolean: bool = False, **sizes: Optional[int]) -> None:
    """Refuse what a part returns, if it is no tensor of these sizes, by letter; None stands for any.

    Args:
        boolean: Whether it says yes or no, where all else are floating-point numbers.

    Raises:
        TypeError, ValueError: If it is something else, or has another shape.
    """
    expected = ', '.join(letter if size is None else f'{letter}={size}' for letter, size in sizes.items())
    if not isinstance(found, Tensor):
        raise TypeError(f'{type(part).__name__} returned a {type(found).__name__} for {what}; expected a tensor of '
                        f'shape ({expected}).')
    if not (found.dtype is bool_ if boolean else found.is_floating_point()):
        raise TypeError(f'{type(part).__name__} returned {what} of {found.dtype}; expected '
                        f'{"torch.bool" if boolean else "floating-point numbers: .float() makes them"}.')
    if found.dim() != len(sizes) or any(size not in (None, there) for size, there in zip(sizes.values(), found.shape)):
        raise ValueError(f'{type(part).__name__} returned {what} of shape {tuple(found.shape)}; expected '
                         f'({expected}).')


def check_encoded(part: nn.Module, found: Any, video: Tensor, query: Query) -> None:
    """Check what an encoder returns."""
    if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], EncodedQuery)):
        raise TypeError(f'{type(part).__name__} returned {_kind(found)}; expected video and query, the second as '
                        'EncodedQuery(features, mask, words=query).')
    batch, length = video.shape[:2]
    check_shape(part, 'video', found[0], B=batch, T=length, D=None)
    places = query.mask.size(1) + 1
    check_shape(part, 'query.features (a start token, then the words)', found[1].features, B=batch, N=places, D=None)
    check_shape(part, 'query.mask (that of the words, and True for the start token)', found[1].mask, boolean=True,
                B=batch, N=places)


def check_proposals(part: nn.Module, verb: type, found: Any, batch: int) -> None:
    """Check what a generator, a combiner or a merger returns."""
    if not isinstance(found, Proposals):
        raise TypeError(f'{type(part).__name__} returned {_kind(found)}; expected Proposals(spans, masks).')
    check_shape(part, 'spans', found.spans, B=batch, K=None, ends=2)
    if not found.spans.size(1):
        raise ValueError(f'{type(part).__name__} returned no proposal for any video; expected one at least.')
    check_shape(part, 'masks', found.masks, **{'B': batch, 'K': found.spans.size(1), "T'": None})
    if found.scores is not None or 'scores' in trait(part, verb, 'gives') and not part.training:
        check_shape(part, 'scores', found.scores, B=batch, K=found.spans.size(1))


def check_ends(part: nn.Module, spans: Tensor) -> None:
    """Refuse spans (..., 2) that are no moments: no numbers, the wrong way round, or far outside of the video."""
    if not spans.isfinite().all():
        raise ValueError(f'{type(part).__name__} gives NaN or infinite numbers as spans. Take another checkpoint, if '
                         'its weights are damaged; else look at the features, and at what it computes.')
    wrong = spans[..., 0] > spans[..., 1] + 1e-4  # rounding is no fault
    wrong |= (spans < -1).any(dim=-1) | (spans > 2).any(dim=-1)  # a wide one may stand out, and is cut
    if wrong.any():
        raise ValueError(f'{type(part).__name__} gave the span {spans[wrong][0].tolist()}; expected [start, end] as '
                         'fractions of the video, from 0 to 1, the start first.')


def check_masks(part: nn.Module, masks: Tensor) -> None:
    """Refuse masks (..., T') that do not say how much of each clip belongs to a proposal."""
    if not ((masks > -0.01) & (masks < 1.01)).all():  # not of NaN either
        raise ValueError(f'{type(part).__name__} gives masks from {masks.min():g} to {masks.max():g}; expected numbers '
                         'from 0 to 1, how much of each clip belongs to the proposal.')


def check_negative(part: nn.Module, found: Any, masks: Tensor) -> None:
    """Check what a negative returns for proposals with these masks."""
    count = 1 if isinstance(found, Tensor) and found.dim() == 3 and found.size(1) == 1 else masks.size(1)
    check_shape(part, 'masks', found, **{'B': masks.size(0), 'K': count, "T'": masks.size(2)})


def _kind(found: Any) -> str:
    if isinstance(found, tuple) and type(found) is tuple:
        return f'a tuple of {", ".join(type(item).__name__ for item in found)}'
    return f'a {type(found).__name__}'
