"""After the build: whatever a page links to or shows is there, and it loads nothing from elsewhere.

MkDocs itself checks the links that are written in Markdown; this reads the pages that came of it,
generated ones and those of docstrings too. A fault is a warning, which ends a strict build.
"""

import logging
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

log = logging.getLogger("mkdocs.hooks.links")
LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}
"""What a page loads by itself, by tag."""


class Links(HTMLParser):
    """Anchors of a page, what it links to, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down what the tag names."""
        said = {name: value for name, value in attrs if value}
        self.anchors |= {said[name] for name in ("id", "name") if name in said}
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        if tag in LOADED and LOADED[tag] in said:
            self.loads.append(said[LOADED[tag]])


def on_post_build(config: "MkDocsConfig") -> None:
    """Warn of each fault in the site."""
    for fault in faults(Path(config.site_dir)):
        log.warning(fault)


def faults(site: Path) -> list[str]:
    """What is wrong with the links of the pages in `site`, a sentence each."""
    pages = {path: Links(path.read_text()) for path in sorted(site.rglob("*.html"))}
    found = []
    for page, links in pages.items():
        if page.name == "404.html":
            continue  # its links are absolute: it stands in for any page
        for link in (*links.links, *links.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in links.loads and parts.scheme != "data":
                    found.append(f"{page.relative_to(site)} loads {link} from elsewhere")
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                found.append(f"{page.relative_to(site)} links to {link}, which is not there")
            elif (
                parts.fragment
                and target in pages
                and unquote(parts.fragment) not in pages[target].anchors
            ):
                found.append(
                    f"{page.relative_to(site)} links to {link}, an anchor that is not there"
                )
    return found
