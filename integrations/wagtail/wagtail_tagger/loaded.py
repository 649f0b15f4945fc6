"""What an instance has of the database: the values that it read, and the values that it wrote and that are committed.

A value that a person typed and has not saved is not among them, so a save can tell an edit from what stood there. A value that
a transaction wrote counts while that transaction is open; if it is rolled back, what was there before counts again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction

from wagtail_tagger import pictures
from wagtail_tagger.conf import config

_HISTORY = "_tagger_loaded"  # the oldest first; a copy of the instance shares it, so the list is never changed in place


@dataclass(eq=False)
class _Values:
    values: dict[str, Any]
    certain: bool  # read, or committed

    def commit(self) -> None:
        self.certain = True

    def counts(self) -> bool:
        """Django drops the hook of a transaction, or of a savepoint, that is rolled back."""
        hooks = connections[pictures.database()].run_on_commit
        return self.certain or any(getattr(hook[1], "__self__", None) is self for hook in hooks)


def values(instance: Any) -> dict[str, Any]:
    """Attribute → the value that the database had. Without those that were never read."""
    return _merged(_history(instance))


def read(instance: Any, names: Collection[str] | None = None) -> None:
    """These attributes were read from the database just now; None: all that the instance has."""
    history = _history(instance)
    own = _merged([one for one in history if not one.certain])
    found = _present(instance, names)
    # What this instance itself wrote in the open transaction still depends on its commit.
    found = {name: value for name, value in found.items() if name not in own or own[name] != value}
    setattr(instance, _HISTORY, _shorter([*history, _Values(found, certain=True)]))


def written(instance: Any, names: Collection[str] | None = None) -> None:
    """In the transaction that wrote these attributes; None: all."""
    new = _Values(_present(instance, names), certain=False)
    setattr(instance, _HISTORY, [*_history(instance), new])
    transaction.on_commit(new.commit, using=pictures.database())


def _present(instance: Any, names: Collection[str] | None) -> dict[str, Any]:
    has, file = instance.__dict__, config().file
    known = [name for name in (*config().texts.values(), file) if name in has and (names is None or name in names)]
    return {name: str(has[name]) if name == file else has[name] for name in known if name != file or has[name] is not None}


def _history(instance: Any) -> list[_Values]:
    return _shorter([one for one in instance.__dict__.get(_HISTORY, []) if one.counts()])


def _shorter(history: list[_Values]) -> list[_Values]:
    return [_Values(_merged(history), certain=True)] if all(one.certain for one in history) else history


def _merged(history: list[_Values]) -> dict[str, Any]:
    return {name: value for one in history for name, value in one.values.items()}
