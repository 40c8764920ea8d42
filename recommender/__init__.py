"""Marquee's core: histories in, ranked movies out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recommender.library import Recommender, fit

__all__ = ["Recommender", "fit"]


def __getattr__(name: str) -> Any:
    """The library form wants pandas; a process that serves does without."""
    if name not in __all__:
        raise AttributeError(f"module 'recommender' has no attribute {name!r}")
    from recommender import library

    return getattr(library, name)
