"""A small registry: names, the object of each name, and one error for an unknown name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

Thing = TypeVar("Thing")


class Registry(Mapping[str, Thing]):
    """Name to object, in order of registration (the pattern of papermill's `engines.py`)."""

    def __init__(self, kind: str):
        """Args: kind: one word for the objects, used in error messages."""
        self._kind, self._things = kind, {}

    def register(self, name: str, thing: Thing) -> Thing:
        """Add an object.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._things:
            raise ValueError(f"{self._kind} {name!r} is registered already")
        self._things[name] = thing
        return thing

    def __getitem__(self, name: str) -> Thing:
        """The object of a name.

        Raises:
            ValueError: an unknown name; the error lists the known ones.
        """
        if name not in self._things:
            raise ValueError(f"{self._kind} {name!r}: expected one of {', '.join(self._things)}")
        return self._things[name]

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)
