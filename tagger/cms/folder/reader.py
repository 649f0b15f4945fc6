"""A folder of pictures as a CMS reader. The path inside the folder is both the id of the asset and the cursor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tagger.asset import ImageSource
from tagger.cms.base import ListedAsset
from tagger.cms.folder.walk import Picture, walk
from tagger.delivery import Endpoint


class FolderReader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, spec: Mapping[str, Any], _endpoint: Endpoint | None = None) -> FolderReader:
        return cls(Path(spec["folder"]))

    def assets(self, after: str | None = None) -> Iterator[ListedAsset]:
        return map(_listed, walk(self._folder, after))


def _listed(picture: Picture) -> ListedAsset:
    source = ImageSource(kind="file", location=picture.location, root=picture.root)
    return ListedAsset(asset_id=picture.relative, revision=picture.revision, source=source, cursor=picture.relative)
