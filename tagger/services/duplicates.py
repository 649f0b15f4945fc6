"""Near-duplicates among the images of a site, and the alt texts that a person wrote for one of them.

A text of a person is proposed for its twins and never written: twins may stand in different places, and need different texts.
What stands in the CMS is asked of the CMS, because tagger does not store the texts of people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tagger.cms.base import LIBRARY_PAGE, Library, ListedAsset
from tagger.cms.registry import open_library
from tagger.errors import Conflict
from tagger.ledger import AssetLook, Ledger, StoredVector
from tagger.provenance import Provenance, text_hash

MOST_IMAGES = 50_000  # that are compared for one answer

Group = list[AssetLook]


def duplicates(ledger: Ledger, site_id: str, *, propose: bool = False) -> dict[str, Any]:
    """Groups of images that look alike, the largest first. Errors: Conflict if the site has too many images; with `propose`,
    LibraryAway, and Conflict if the site has no endpoint.
    """
    looks = ledger.looks(site_id)
    if len(looks) > MOST_IMAGES:
        raise Conflict(f"{site_id} has {len(looks)} images; at most {MOST_IMAGES} are compared.", "Ask for a smaller site.")
    found = _groups(ledger, site_id, looks)
    proposals: dict[str, list[dict[str, Any]]] = {}
    for proposal in _proposals(ledger, site_id, found) if propose and found else ():
        proposals.setdefault(proposal["asset"]["id"], []).append(proposal)
    data = [
        {
            "assets": [{"id": look.asset_id, "same_file": look.sha256 == group[0].sha256} for look in group],
            "proposals": [proposal for look in group for proposal in proposals.get(look.asset_id, ())],
        }
        for group in sorted(found, key=lambda group: -len(group))
    ]
    return {"compared": len(looks), "data": data}


def _groups(ledger: Ledger, site_id: str, looks: Sequence[AssetLook]) -> list[Group]:
    from tagger.search import alike  # with numpy

    hashes = [look.look_hash for look in looks]
    try:
        near = alike.of_first(hashes)
    except alike.TooManyPairs:
        raise Conflict(
            f"Too many images of {site_id} are almost the same.", "Remove what is not a photograph, such as blank pages."
        ) from None
    unsure = {n for first, second, bits in near if bits > alike.SURE_BITS for n in (first, second)}
    vectors = ledger.vectors_of(site_id, [looks[n].asset_id for n in sorted(unsure)])

    def agree(first: int, second: int) -> bool:
        one, other = vectors.get(looks[first].asset_id), vectors.get(looks[second].asset_id)
        return one is not None and other is not None and _cosine(one, other) >= alike.LEAST_COSINE

    return [[looks[n] for n in group] for group in alike.groups(hashes, near, agree)]


def _cosine(one: StoredVector, other: StoredVector) -> float:
    """-1 for vectors of different models, which cannot be compared."""
    import numpy as np

    if one.model != other.model:
        return -1.0
    first, second = (np.frombuffer(each.vector, "<f2").astype(np.float32) for each in (one, other))
    return float(first @ second)


def _proposals(ledger: Ledger, site_id: str, found: Sequence[Group]) -> Iterator[dict[str, Any]]:
    library = open_library(ledger.get_site(site_id).cms, {}, ledger.endpoint_of(site_id))
    there = _listed(library, [look.asset_id for group in found for look in group])
    for group in found:
        shown = [look for look in group if (asset := there.get(look.asset_id)) is not None and asset.skip != "in_trash"]
        texts = {look.asset_id: _alt_texts(there[look.asset_id]) for look in shown}
        known = {look.asset_id: ledger.provenance(site_id, look.asset_id) for look in shown}
        for locale in sorted({locale for of_asset in texts.values() for locale in of_asset}):
            yield from _of_locale(locale, texts, known)


def _of_locale(
    locale: str, texts: Mapping[str, Mapping[str, Mapping[str, Any]]], known: Mapping[str, Provenance]
) -> Iterator[dict[str, Any]]:
    """The first text of a person, for each twin that has none."""
    people = {asset: text for asset in texts if (text := _of_person(texts[asset].get(locale), known[asset], locale))}
    source = next(iter(people), None)
    if source is None:
        return
    for asset in texts:
        emptied = (texts[asset].get(locale) or {}).get("writer") == "person"  # on purpose
        if asset not in people and not emptied:
            yield {
                "asset": {"id": asset},
                "field": "alt_text",
                "locale": locale,
                "value": people[source],
                "source": "duplicate",
                "of": {"id": source},
                "action": "review",
            }


def _of_person(text: Mapping[str, Any] | None, known: Provenance, locale: str) -> str | None:
    """The text, if a person wrote it: the CMS says so, or it says nothing and tagger did not write it."""
    value = (text or {}).get("value")
    writer = (text or {}).get("writer")
    if not value or (writer is not None and writer != "person"):
        return None
    return None if writer is None and text_hash(value) in known.hashes.get(("alt_text", locale), ()) else str(value)


def _listed(library: Library, ids: Sequence[str]) -> dict[str, ListedAsset]:
    found: dict[str, ListedAsset] = {}
    for start in range(0, len(ids), LIBRARY_PAGE):
        found.update(library.listed(ids[start : start + LIBRARY_PAGE]))
    return found


def _alt_texts(asset: ListedAsset) -> Mapping[str, Mapping[str, Any]]:
    fields: Mapping[str, Any] = (asset.present or {}).get("fields") or {}
    return fields.get("alt_text") or {}
