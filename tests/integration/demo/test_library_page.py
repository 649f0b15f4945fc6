"""The pages of the sample media library at the width of a telephone, in a real browser if one is installed."""

from __future__ import annotations

import html
import re
from pathlib import Path

from support.browser import dumped_page

from integration.demo.test_media_library import FAILED, NOTHING, REVIEW, Cms, attempt, claim_for, cms, tells, transport
from workers.deliver.transport import HttpTransport

__all__ = ["cms", "transport"]  # fixtures

WIDTH = 375
FRAME = """<iframe id="page" width="{width}" height="900" style="border: 0" srcdoc="{page}"></iframe><script>
page.onload = () => document.documentElement.dataset.width = page.contentDocument.documentElement.scrollWidth;
</script>"""  # a window of its own cannot be as narrow


def test_no_page_is_wider_than_a_telephone(cms: Cms, transport: HttpTransport, tmp_path: Path) -> None:
    assets = [cms.upload("a_very_long_file_name_without_any_blank_" * 4 + ".png") for _ in range(4)]
    for claim in (
        claim_for(cms, assets[0], "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 2),
        tells(cms, assets[1], 1, notice=REVIEW),
        tells(cms, assets[2], 1, notice=NOTHING),
        tells(cms, assets[3], 1, type="asset.failed", notice=FAILED),
    ):
        assert attempt(claim, transport, 20).result == "delivered"
    style = cms.session.get(f"{cms.url}/library.css").text
    for number, path in enumerate(["/", *(f"/assets/{asset_id}" for asset_id in assets)]):
        page = cms.session.get(cms.url + path).text.replace("</head>", f"<style>{style}</style></head>")
        file = tmp_path / f"{number}.html"
        file.write_text(FRAME.format(width=WIDTH, page=html.escape(page)), "utf-8")
        [width] = re.findall(r'data-width="(\d+)"', dumped_page(file, tmp_path / "profile"))
        assert int(width) == WIDTH, path
