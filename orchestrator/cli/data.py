"""Commands on data sets: init data, prepare, datasets, datasets show."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fdsweep.orchestrator.cli.help import completion
from fdsweep.orchestrator.cli.help.command import Command, spoken
from fdsweep.orchestrator.cli.help.examples import epilog
from fdsweep.orchestrator.cli.options import DEFAULT_STORAGE, Address, AsJson, Storage
from fdsweep.orchestrator.cli.output import for_people, show

if TYPE_CHECKING:
    from fdsweep.trainers.datasets.prepared import Prepared

app = typer.Typer(invoke_without_command=True, help="List the data sets, or show one.")
init = typer.Typer(no_args_is_help=True, help="Write what a study of your own begins with.")


def prepare(
    dataset: Annotated[
        str,
        typer.Argument(
            help="A name from `fdsweep datasets`, or the YAML file of a table.",
            autocompletion=completion.datasets,
        ),
    ],
    raw: Annotated[
        Path | None,
        typer.Argument(help="The folder that was downloaded. (default: a table's own)"),
    ] = None,
    split_dir: Annotated[
        Path | None, typer.Option(help="Published lists. (default: a split of our own)")
    ] = None,
    task: Annotated[str | None, typer.Option(help="One of several labellings.")] = None,
    variant: Annotated[
        str | None,
        typer.Option(help="Read as another code does, such as c2kd; docs/reference/datasets.md."),
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="A checkpoint's. (default: a vocabulary of the data)")
    ] = None,
    frame_side: Annotated[
        int | None,
        typer.Option(help="Short side of kept pictures at most. (default: their own, up to 360)"),
    ] = None,
    shard_mb: Annotated[float, typer.Option(help="Size of a shard.")] = 128,
    allow_skips: Annotated[
        int | None, typer.Option(help="Damaged files to leave out. (default: 1 %)")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Decode a downloaded data set, or a table of your own, into the storage, each sample once."""
    with for_people():
        from fdsweep.orchestrator.data.prepare import prepare as run_prepare
        from fdsweep.orchestrator.data.text import to_text
        from fdsweep.trainers.preparation.catalog import Options
        from fdsweep.trainers.preparation.manifest import SCHEMA

        found, folder = _to_prepare(dataset, raw, variant, storage)
        options = Options(
            split_dir=split_dir, task=task, tokenizer=tokenizer, frame_side=frame_side
        )
        manifest = run_prepare(
            found, folder, storage, options,
            shard_mb=shard_mb, allow_skips=allow_skips, address=address,
        )  # fmt: skip
        show(to_text(manifest), {"schema": SCHEMA, **manifest.model_dump(mode="json")}, as_json)


def _to_prepare(
    dataset: str, raw: Path | None, variant: str | None, storage: str
) -> "tuple[Prepared, Path]":
    """The data set of that name, or the table that the YAML file `dataset` describes; its files."""
    from fdsweep.search_spaces.errors import ConfigError
    from fdsweep.trainers import datasets
    from fdsweep.trainers.datasets.prepared import Prepared
    from fdsweep.trainers.datasets.table.importer import Table, read_table
    from fdsweep.trainers.preparation.manifest import prepare_command, prepare_table

    if dataset.endswith((".yaml", ".yml")):
        if variant is not None:
            raise ConfigError("is not for a table", "--variant", "Describe it in another file")
        return read_table(Path(dataset), raw, storage)
    name = dataset if variant is None else datasets.with_variant(dataset, variant)
    found = datasets.find(name, datasets.DataLocation(storage))
    if isinstance(found, Table):
        raise ConfigError("is a table", dataset, f"Type: {prepare_table(dataset)}")
    if not isinstance(found, Prepared):
        raise ConfigError("needs no preparation", dataset, f"Type: fdsweep datasets show {dataset}")
    if raw is None:
        fix = f"Type: {prepare_command(name)}"
        raise ConfigError("its folder is not given", f"fdsweep prepare {dataset}", fix)
    return found, raw


@init.command("data", cls=Command, epilog=epilog("init data"))
@spoken
def init_data(
    table: Annotated[
        Path,
        typer.Argument(help="CSV or Parquet, a row for each sample; or a folder of Arrow files."),
    ],
    out: Annotated[Path | None, typer.Option(help="(default: TABLE.yaml, beside it)")] = None,
    label: Annotated[str | None, typer.Option(help="Column of the labels. (default: guessed)")] = (
        None
    ),
    as_json: AsJson = False,
) -> None:
    """Look at a table, guess what its columns are, and write the YAML file that `prepare` takes."""
    with for_people():
        from fdsweep.orchestrator.data.draft import to_text, write_draft

        path, draft = write_draft(table, out, label)
        document = {
            "schema": "fdsweep.init/1",
            "path": str(path),
            "samples": len(draft.rows),
            "roles": draft.roles,
            "modalities": draft.modalities,
            "left_out": draft.left_out,
            "remarks": draft.remarks,
        }
        show(to_text(draft, path), document, as_json)


@init.command("study", cls=Command, epilog=epilog("init study"))
@spoken
def init_study(
    file: Annotated[Path, typer.Argument(help="The YAML file to write.")],
    dataset: Annotated[
        str | None,
        typer.Option(help="(default: watch)", autocompletion=completion.datasets),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Rows beside `none`, such as kd,feat. (default: one of each kind)",
            autocompletion=completion.methods,
        ),
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Write a study in YAML to begin with: its rows, and every other field in a comment."""
    with for_people():
        from fdsweep.orchestrator.drafts import study
        from fdsweep.search_spaces.fields import parse_names

        names = study.METHODS if methods is None else parse_names(methods, "--methods")
        path = study.write_study(file, storage, dataset, names)
        document = {"schema": "fdsweep.init/1", "path": str(path), "methods": [*names]}
        show(f"{path}: look at it, then type: fdsweep run {path}", document, as_json)


@app.callback()
def list_datasets(
    context: typer.Context, storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False
) -> None:
    """List the data sets: what they hold, where they are to be had, what is prepared here."""
    if context.invoked_subcommand:
        return
    with for_people():
        from fdsweep.orchestrator.data.overview import overview, to_text

        found = overview(storage)
        show(to_text(found), {"schema": "fdsweep.datasets/1", "datasets": found}, as_json)


@app.command("show", cls=Command, epilog=epilog("datasets show"))
@spoken
def show_dataset(
    name: Annotated[
        str,
        typer.Argument(help="A data set that is ready.", autocompletion=completion.datasets),
    ],
    out: Annotated[Path | None, typer.Option(help="(default: NAME.png)")] = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Draw a contact sheet: samples of every modality, label maps, and what there is of a class."""
    with for_people():
        from fdsweep.orchestrator.data.preview import draw
        from fdsweep.search_spaces.trials import STREAMING
        from fdsweep.trainers import datasets

        dataset = datasets.find(name, datasets.DataLocation(storage, STREAMING))
        typer.echo(draw(dataset, out or Path(f"{name}.png")))
