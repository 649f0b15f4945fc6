"""Hooks of MkDocs: pages from outside docs/, links between all of them, and diagrams without another host.

A page of the repository links to files as GitHub shows them. A link to a page of the site leads there. A link to another file
of the repository becomes plain text, because the site does not have it. A link to a file that does not exist stops the build.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {  # a file of the repository → its page of the site
    "README.md": "index.md",
    "README.zh-CN.md": "zh/index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "NOTICE": "notice.md",
    "tagger/demo/photos/README.md": "photos.md",
}
SOURCES = {page: source for source, page in OUTSIDE.items()}
MERMAID = "site/mermaid.min.js"
STYLE = "site/tables.css"
MERMAID_JS = os.environ.get("MERMAID_JS") or None  # None: diagrams are shown as their source
LINK = re.compile(r"\[([^\[\]]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?((?:https?:)?//[^"'\s>]+)|<link[^>]*rel=["']?(?:stylesheet|preconnect|icon|preload)["']?[^>]*\shref=["']?((?:https?:)?//[^"'\s>]+)"""
)
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for source, page in OUTSIDE.items():
        text = (ROOT / source).read_text("utf-8")
        shown = text if source.endswith(".md") else f"# {source.title()}\n\n```text\n{text}```\n"
        files.append(File.generated(config, page, content=shown))
    files.append(File.generated(config, STYLE, content=(ROOT / "deploy" / "docs" / "tables.css").read_text("utf-8")))
    if MERMAID_JS is not None:
        files.append(File.generated(config, MERMAID, abs_src_path=MERMAID_JS))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links outside of code blocks, from where the page lies in the repository to where it lies on the site."""
    if MERMAID_JS is None:
        markdown = markdown.replace("```mermaid", "```text")
    shown = page.file.src_uri
    source = SOURCES.get(shown, f"docs/{shown}")
    parts, end = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [_linked(markdown[end : fence.start()], source, shown), fence[0]]
        end = fence.end()
    return "".join([*parts, _linked(markdown[end:], source, shown)])


def on_post_page(output: str, page: Page, **_: object) -> str:
    """The theme would load its drawing library from a CDN; with this one it does not."""
    if 'class="mermaid"' not in output:
        return output
    path = posixpath.relpath(MERMAID, posixpath.dirname(page.file.dest_uri) or ".")
    return output.replace("</head>", f'<script src="{path}"></script></head>', 1)


def on_post_build(config: MkDocsConfig) -> None:
    """No page loads anything from another host: not a font, not a script, not a picture."""
    for page in sorted(Path(config.site_dir).rglob("*.html")):
        loaded = LOADED.findall(page.read_text("utf-8"))
        if loaded:
            raise PluginError(f"{page.relative_to(config.site_dir)} loads {loaded[0]}")


def _linked(text: str, source: str, shown: str) -> str:
    def at(link: re.Match[str]) -> str:
        words, address, section = link[1], link[2], link[3] or ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), address))
        if not (ROOT / target).exists():
            raise PluginError(f"{source} links to {address}, which does not exist")
        page = OUTSIDE.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        return f"[{words}]({posixpath.relpath(page, posixpath.dirname(shown) or '.')}{section})" if page else words

    return LINK.sub(at, text)
