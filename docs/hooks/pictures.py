"""Pictures of the committed studies, drawn from their rows; nothing is trained.

A picture that a page shows lies beside the rows as well, for readers of the repository. Here it is
drawn anew, so that the book shows what the rows say. What cannot be drawn from rows alone, such as
predictions of single pictures, is taken as it lies there.
"""

from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

from fdsweep.results import plots
from fdsweep.results.records.store import Store
from fdsweep.results.report import load

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig


def on_files(files: Files, config: "MkDocsConfig") -> Files:
    """Put what is drawn in place of the committed pictures."""
    for picture in [
        one for one in files if one.src_uri.endswith(".svg") and "/reports/" in one.src_uri
    ]:
        storage, _, place = picture.src_uri.partition("/reports/")
        sweep, name = place.rsplit("/", 1)
        figures = plots.pictures(load(Store.open(f"{config.docs_dir}/{storage}"), sweep))
        drawn = plots.render({name.removesuffix(".svg"): figures[name.removesuffix(".svg")]})[name]
        files.remove(picture)
        files.append(File.generated(config, picture.src_uri, content=drawn))
    return files
