"""Rules about tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagger.conformance.outcome import NotSupported, expect
from tagger.conformance.trial import Asset, Trial, term

CAT, SOFA, LAMP = "conformance cat", "conformance sofa", "conformance lamp"


def _add(asset: Asset, *labels: str, **more: Any) -> Mapping[str, Any]:
    """What the answer says of the tags. Errors: NotSupported if the CMS has none."""
    said = asset.describe(add=labels, tags=True, **more).tags
    if said.get("outcome") == "rejected":
        raise NotSupported(f"The CMS takes no tags: {said.get('reason', 'no reason')}.")
    return said


def added_and_removed(trial: Trial) -> None:
    asset = trial.upload()
    said = _add(asset, CAT, SOFA)
    expect(said.get("outcome") == "written", f"The outcome is {dict(said)}.")
    expect(set(said.get("added", [])) == {term(CAT), term(SOFA)}, f"`added` is {said.get('added')}.")
    expect({CAT, SOFA} <= asset.read().tags, f"The asset has the tags {sorted(asset.read().tags)}.")
    said = _add(asset, LAMP, remove=[SOFA])
    expect(said.get("removed") == [term(SOFA)], f"`removed` is {said.get('removed')}.")
    expect(asset.read().tags == {CAT, LAMP}, f"The asset has the tags {sorted(asset.read().tags)}.")


def typed(trial: Trial) -> None:
    asset = trial.upload()
    trial.editor.tag(asset.id, CAT)
    said = _add(asset, CAT, SOFA)
    expect(said.get("added") == [term(SOFA)], f"`added` is {said.get('added')}: an editor typed {CAT!r}.")
    said = _add(asset, remove=[CAT, SOFA])
    expect(term(CAT) not in said.get("removed", []), f"`removed` is {said.get('removed')}: an editor typed {CAT!r}.")
    expect(asset.read().tags == {CAT}, f"The asset has the tags {sorted(asset.read().tags)}.")


def taken_off(trial: Trial) -> None:
    asset = trial.upload()
    _add(asset, CAT, SOFA)
    trial.editor.untag(asset.id, CAT)
    for _ in range(2):
        said = _add(asset, CAT, SOFA)
        expect(term(CAT) not in said.get("added", []), f"`added` is {said.get('added')}: an editor removed {CAT!r}.")
        expect(asset.read().tags == {SOFA}, f"The asset has the tags {sorted(asset.read().tags)}.")
