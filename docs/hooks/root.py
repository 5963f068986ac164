"""Pages of the book that stand at the root of the repository, where people look for them."""

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def on_files(files: Files, config: "MkDocsConfig") -> Files:
    """Add them; a link to a page of docs/ leads to the same page here."""
    root = Path(config.docs_dir).parent
    for source, page in PAGES.items():
        text = (root / source).read_text().replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    return files
