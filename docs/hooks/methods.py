"""The end of the page of methods: each method's facts and options, from what it declares."""

from typing import TYPE_CHECKING, Any

from fdsweep.orchestrator.studies.methods import overview

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

PAGE = "reference/methods.md"
HEAD = """\

## Options of each method

What `fdsweep methods` prints. An option stands in `options` of a row, is searched by its name in a
space, and its default is that of the source beside it.
"""


def on_page_markdown(markdown: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:  # noqa: ARG001
    """The page of methods with the options at its end; every other page as it is."""
    return markdown + options() if page.file.src_uri == PAGE else markdown


def options() -> str:
    """A section per method, in Markdown."""
    return "\n\n".join([HEAD, *(_section(one) for one in overview() if "error" not in one)]) + "\n"


def _section(one: dict[str, Any]) -> str:
    facts = [f"{one['group']}; distils {one['level'] or 'nothing'}"]
    facts += ["moves its teacher"] if one["moves_teacher"] else []
    facts += [f"trains {', '.join(one['trains'])}"] if one["trains"] else []
    told = "; ".join(facts) + f". {one['paper']}." * bool(one["paper"])
    parts = [f"### Options of `{one['method']}`", told]
    if one["options"]:
        rows = [
            f"| `{name}` | `{_spell(option['default'])}` | {option['source'] or ''} |"
            for name, option in one["options"].items()
        ]
        parts.append("\n".join(["| option | default | source |", "| --- | --- | --- |", *rows]))
    return "\n\n".join(parts)


def _spell(value: object) -> str:
    """As a YAML file has it."""
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
