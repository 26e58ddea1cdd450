"""Kinds of values, as type hints say them: what a value of a config may be, in words, and with one that works."""
import collections.abc
import inspect
import os
import types
from functools import cache
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union, get_args, get_origin, get_type_hints

_WORDS = {int: ('a whole number', 'whole numbers', 1), float: ('a number', 'numbers', 0.5),
          bool: ('True or False', '', True), str: ('text', 'texts', 'NAME'), dict: ('a dict', 'dicts', None),
          type(None): ('None', '', None)}
_PART = 'dict(type=...)'  # an object, which a config describes
_NUMBERS = {int: int, float: (int, float)}  # a whole number is one, too


def kind_of(value: Any) -> Any:
    """The kind of what may take the place of a value, as a type hint. Whether ``None`` may, a value does not tell.

    Example:
        >>> kind_of(2), kind_of(True), kind_of([0.5]), kind_of(None)
        (<class 'float'>, <class 'bool'>, typing.Sequence[float], typing.Any)
    """
    if isinstance(value, bool):
        return bool
    if isinstance(value, (int, float)):
        return float
    if isinstance(value, str):
        return Union[str, Sequence[str]]
    several = isinstance(value, (list, tuple))
    if isinstance(value, dict) or several and any(isinstance(item, dict) for item in value):
        return Union[dict, Sequence[dict]]
    if several:
        kinds = {kind_of(item) for item in value}
        return Sequence[kinds.pop() if len(kinds) == 1 else Any]
    return Any


@cache
def kinds_of_arguments(part: Callable) -> Dict[str, Any]:
    """The declared kinds of the arguments of a function or class; without those that only a type checker knows."""
    if inspect.isclass(part):
        functions = [vars(parent)['__init__'] for parent in part.__mro__ if '__init__' in vars(parent)]
    else:
        functions = [part]
    found: Dict[str, Any] = {}
    for function in filter(inspect.isfunction, functions):
        for name, hint in function.__annotations__.items():
            try:
                holder = types.SimpleNamespace(__annotations__={name: hint})
                found.setdefault(name, get_type_hints(holder, function.__globals__)[name])
            except Exception:  # of any kind, as any expression may stand there
                pass
    return found


def check_kind(key: str, value: Any, hint: Any, example: Any = None) -> None:
    """Refuse a value of another kind than a type hint says.

    A list may stand for a tuple, a whole number for any number, and a dict for an object that is built from it.

    Args:
        example: A value that works, if it is of that kind; else one is made up.

    Raises:
        ValueError: The message has the key of what is wrong, within the value where it is a part of it.
    """
    found = _misfit(key, value, hint)
    if found is not None:
        place, given, kind = found
        if example in (None, '') or place != key or _misfit('', example, hint) is not None:
            example = _example(kind)
        shown = _typed(place, example)
        raise ValueError(f'{place} should be {describe(kind)}, got {given!r}.'
                         + (f' For example: {shown}' if shown else ''))


def _misfit(key: str, value: Any, hint: Any) -> Optional[Tuple[str, Any, Any]]:
    """What does not fit: the innermost key, the value there and the kind that is expected; None if all fits."""
    kind, inner = get_origin(hint) or hint, get_args(hint)
    wrong = (key, value, hint)
    if kind in (Union, types.UnionType):
        found = [_misfit(key, value, one) for one in inner]
        return None if None in found else next((one for one in found if one[0] != key), wrong)
    if kind in (None, type(None)):
        return None if value is None else wrong
    if kind in _NUMBERS:
        return None if isinstance(value, _NUMBERS[kind]) and not isinstance(value, bool) else wrong
    if not inspect.isclass(kind) or kind in (object, inspect.Parameter.empty, collections.abc.Callable):
        return None  # nothing that a config could tell
    if _is_list(kind):
        if not isinstance(value, (list, tuple)) or (
                kind is tuple and inner and Ellipsis not in inner and len(inner) != len(value)):
            return wrong
        items = enumerate(value)
    elif issubclass(kind, collections.abc.Mapping):
        if not isinstance(value, dict):
            return wrong
        items = value.items()
    else:
        by_name = isinstance(value, str) and issubclass(kind, os.PathLike)
        return None if by_name or isinstance(value, dict) and kind not in _WORDS or _is_one(value, kind) else wrong
    of = next((one for one in reversed(inner) if one is not Ellipsis), Any)
    return next(filter(None, (_misfit(f'{key}.{name}', item, of) for name, item in items)), None)


def _is_list(kind: type) -> bool:
    return kind in (list, tuple, set, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)


def _is_one(value: Any, kind: type) -> bool:
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol
        return True


def describe(hint: Any) -> str:
    """A kind in words.

    Example:
        >>> describe(Optional[float]), describe(Sequence[str]), describe(Tuple[int, int])
        ('a number or None', 'a list of texts', 'a list of 2 whole numbers')
    """
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, types.UnionType):
        words = dict.fromkeys(describe(one) for one in sorted(inner, key=lambda one: one is type(None)))
        if _PART in words:
            words.pop(_WORDS[dict][0], None)
        return ' or '.join(words)
    if kind in _WORDS:
        return _WORDS[kind][0]
    if inspect.isclass(kind) and _is_list(kind):
        of = _plural(inner[0]) if inner else ''
        count = f'{len(inner)} ' if kind is tuple and inner and Ellipsis not in inner else ''
        return f'a list of {count}{of}' if of else 'a list'
    return 'a dict' if inspect.isclass(kind) and issubclass(kind, collections.abc.Mapping) else _PART


def _plural(hint: Any) -> str:
    kinds = [kind for kind in (get_args(hint) or [hint]) if kind in _WORDS and kind is not type(None)]
    return _WORDS[kinds[0]][1] if len(kinds) == 1 else ''


def _example(hint: Any) -> Any:
    """A value of a kind; None if there is no short one."""
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, types.UnionType):
        return next((made for made in map(_example, inner) if made is not None), None)
    if kind in _WORDS:
        return _WORDS[kind][2]
    if inspect.isclass(kind) and _is_list(kind) and inner:
        items: List[Any] = [_example(one) for one in inner if one is not Ellipsis]
        return items if None not in items else None
    return None


def _typed(key: str, value: Any) -> str:
    """An assignment as one types it on a command line: of a dict, that of an entry; '' if there is none."""
    if isinstance(value, dict):
        return next(filter(None, (_typed(f'{key}.{name}', item) for name, item in value.items() if name != 'type')), '')
    if value is None or isinstance(value, (list, tuple)) and any(isinstance(item, (dict, list)) for item in value):
        return ''
    return f'{key}=' + (f'[{",".join(map(str, value))}]' if isinstance(value, (list, tuple)) else str(value))
