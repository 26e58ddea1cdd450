"""Importing the modules that a config or a manifest names."""
import traceback
from typing import Sequence, Union

from mmengine.utils import import_modules_from_strings


def import_modules(imports: Union[str, Sequence[str], None], allow_failed_imports: bool = False) -> None:
    """Import modules by their names, as ``custom_imports`` of a config gives them.

    Raises:
        ImportError: If one cannot be imported; the message says why.
    """
    try:
        import_modules_from_strings(list(imports) if isinstance(imports, tuple) else imports, allow_failed_imports)
    except ImportError as error:
        cause = error.__context__
        name = f'{str(error).rpartition(" ")[2]}.'  # of what was to be imported; the cause may be a package above it
        absent = isinstance(cause, ModuleNotFoundError) and cause.name and name.startswith(f'{cause.name}.')
        hint = (' Is it installed, or its folder on PYTHONPATH (PYTHONPATH=. for the folder you are in)?' if absent else
                '')
        raise ImportError(f'{error}: {cause}.{hint}') from cause
    except Exception as error:  # a module can fail in any way
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise ImportError(f'{imports} cannot be imported: {type(error).__name__}: {error} (raised at {place.filename}:'
                          f'{place.lineno}). Repair it.') from error
