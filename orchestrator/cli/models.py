"""Commands on kept students: models, export-model, predict."""

from pathlib import Path
from typing import Annotated

import typer

from fdsweep.orchestrator.cli.options import DEFAULT_STORAGE, AsJson, Storage
from fdsweep.orchestrator.cli.output import for_people, show

Asked = Annotated[
    str, typer.Argument(help="Of `fdsweep models`: the beginning of its name, or its row.")
]


def models(storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False) -> None:
    """List the students that are kept, with their scores."""
    with for_people():
        from fdsweep.orchestrator.models.overview import overview, to_text

        found = overview(storage)
        document = {"schema": "fdsweep.models/1", "models": [one.to_json() for one in found]}
        show(to_text(found), document, as_json)


def export_model(
    model: Asked,
    folder: Annotated[Path, typer.Argument(help="A new folder for it.")],
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Write a student to a folder: weights, configuration, scores, the licence of its data."""
    with for_people():
        from fdsweep.orchestrator.models.export import export
        from fdsweep.orchestrator.models.overview import find, overview
        from fdsweep.results.records.store import Store

        found = find(overview(storage), model)
        written = export(Store.open(storage), found, folder)
        text = f"{found.title}: {', '.join(written['files'])} in {folder}"
        show(text, {"schema": "fdsweep.export-model/1", **written}, as_json)


def predict(
    model: Annotated[
        str, typer.Argument(help="A folder of `fdsweep export-model`, or one of `fdsweep models`.")
    ],
    files: Annotated[list[Path], typer.Argument(help="Raw files, as the data set's are.")],
    masks: Annotated[
        Path | None, typer.Option(help="A folder for label maps, where pixels are predicted.")
    ] = None,
    device: Annotated[str, typer.Option(help="Of torch, such as cuda.")] = "cpu",
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Say what a student takes raw files for; neither Ray nor the data set is needed."""
    with for_people():
        from fdsweep.orchestrator.models import predict as predicting

        student = predicting.load(model, storage, device)
        found = student.predict(files)
        if masks:
            predicting.save_masks(found, masks)
        document = {
            "schema": "fdsweep.predict/1",
            "model": student.record.name,
            "predictions": predicting.to_json(found),
        }
        show(predicting.to_text(found), document, as_json)
