"""`tagger search`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tagger.cli import console
from tagger.errors import BadRequest
from tagger.instants import parse_instant

COLUMNS = ("asset", "score", "similarity", "matched_by", "tags", "text")


def search(
    site: Annotated[str, typer.Option(help="Only in the images of this site.")],
    text: Annotated[str | None, typer.Argument(help="Words, or a sentence.")] = None,
    like: Annotated[str | None, typer.Option(help="Images that look like this asset, by its id in the CMS.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only with this tag, by its id. Repeat it: an image has all.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind of picture, e.g. photograph.")] = None,
    after: Annotated[str | None, typer.Option(help="First described at or after, e.g. 2026-11-21T09:30:00Z.")] = None,
    before: Annotated[str | None, typer.Option(help="First described before.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most images to print.")] = 20,
    json: console.Json = False,
) -> None:
    """Find images of a site by words, by likeness and by tags.

    \b
    Examples:
      tagger search "dog on a beach" --site blog
      tagger search --like 4711 --site blog --tag dog
    """
    from tagger.asset import PICTURE_KINDS
    from tagger.ledger import SearchFilter
    from tagger.services.search import render
    from tagger.services.search.opening import open_index
    from tagger.services.search.query_vectors import QueryVectors
    from tagger.services.search.search import Question, Searcher

    if kind is not None and kind not in PICTURE_KINDS:
        raise BadRequest(f"--kind {kind!r} is no kind of picture.", f"Use one of: {', '.join(PICTURE_KINDS)}.")
    settings = console.settings()
    with console.ledger() as ledger:
        owner = ledger.get_site(site)
        catalog = console.catalog()
        vocabulary = catalog.vocabulary(catalog.profile(owner.profile)[0], owner.vocabulary)
        chosen = SearchFilter(
            site_id=site, tags=tuple(tag or ()), kind=kind, after_ms=parse_instant(after), before_ms=parse_instant(before)
        )
        vectors = QueryVectors(settings)
        try:
            searcher = Searcher(ledger, open_index(settings, ledger), vectors)
            answer = searcher.search(Question(filter=chosen, text=text, like=like, limit=limit), vocabulary)
        finally:
            vectors.close()
    body = render.answer(answer)
    if json:
        console.print_json(body)
        return
    console.print_table([_row(hit) for hit in body["data"]], COLUMNS, "No image was found.", drop=("similarity",), prose="text")
    for note in answer.notes:
        console.err.print(note, style="yellow")


def _row(hit: dict[str, Any]) -> dict[str, Any]:
    return {
        "asset": hit["asset"]["id"],
        "score": f"{hit['score']:.2f}",
        "similarity": "–" if hit["similarity"] is None else f"{hit['similarity']:.2f}",
        "matched_by": ", ".join(hit["matched_by"]),
        "tags": ", ".join(tag["label"] or tag["id"] for tag in hit["tags"]),
        "text": next(iter((*hit["alt_text"].values(), *hit["caption"].values())), ""),
    }
