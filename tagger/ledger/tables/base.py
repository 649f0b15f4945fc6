"""Shared by all tables: the metadata, and columns and indexes in a form that both databases accept."""

from typing import Any

from sqlalchemy import Column, ColumnElement, ForeignKey, Index, MetaData, String, literal_column, text

metadata = MetaData()


def word_is(column: Column[Any], *words: str) -> ColumnElement[bool]:
    """`column = 'word'` with the word in the SQL text. With a bound parameter, the planner would not use the partial index."""
    if not all(word.replace("_", "").isalpha() for word in words):
        raise ValueError(words)  # the words go into the SQL as they are
    if len(words) == 1:
        return column == literal_column(f"'{words[0]}'")
    return column.in_([literal_column(f"'{w}'") for w in words])


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def job_id(**kwargs: Any) -> Column[str]:
    return Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), **kwargs)
