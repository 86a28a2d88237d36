"""Optional packages: each is imported where it is needed, and belongs to an extra of this one."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from kshot_viz.errors import KShotError


def needed(package: str, extra: str, user: str) -> ModuleType:
    """Import an optional package; a KShotError says who needs it, and how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise _missing(package, extra, user, str(error)) from error


def check_installed(package: str, extra: str, user: str) -> None:
    """Raise the error of :func:`needed` for a package that is not installed; nothing is imported.

    So that it is known before hours of work, though the import itself may take seconds.
    """
    found = importlib.util.find_spec(package)
    # A folder of that name, such as the one that wandb leaves beside a script, is no package.
    if found is None or found.origin is None:
        raise _missing(package, extra, user, "it is not installed")


def _missing(package: str, extra: str, user: str, why: str) -> KShotError:
    return KShotError(
        f"{user} needs the package {package} ({why}): pip install 'kshot-viz[{extra}]'."
    )
