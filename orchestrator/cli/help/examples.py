"""Examples that stand below the help of each command; a test parses them all."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "ablation": (
        ("fdsweep ablation --seeds 5", "the parts of FD-CMKD, on the data that come along"),
        ("fdsweep ablation --study cutoffs --direction 'gyroscope->accelerometer'", "one way"),
        ("fdsweep ablation -o weight_low=100 --dry-run", "what it would cost"),
    ),
    "compare": (
        ("fdsweep compare --dataset rooms --seeds 3", "every method against none"),
        ("fdsweep compare --methods kd,feat,kd+fd-cmkd -o kd.temperature=2", "some of them"),
        ("fdsweep compare --dataset crema-d --paper", "the paper's table"),
    ),
    "analyze": (("fdsweep analyze --seeds 3 --epochs 30", "which bands two modalities share"),),
    "run": (
        ("fdsweep init study mine.yaml", "write a study to begin with"),
        ("fdsweep run mine.yaml --seeds 8", "train it"),
    ),
    "search": (
        ("fdsweep search --trials 30", "the weights of FD-CMKD"),
        ("fdsweep search --methods fd-cmkd,kd --space all --timeout 60", "equal budgets"),
    ),
    "prepare": (
        ("fdsweep prepare crema-d ~/downloads/crema-d", "a published data set"),
        ("fdsweep prepare pets.yaml", "a table of your own"),
    ),
    "init data": (
        ("fdsweep init data pets.csv --label species", "then: fdsweep prepare pets.yaml"),
    ),
    "init study": (
        ("fdsweep init study mine.yaml", "then: fdsweep run mine.yaml"),
        ("fdsweep init study mine.yaml --dataset rooms --methods kd,feat", "on other data"),
    ),
    "datasets show": (("fdsweep datasets show watch", "draws watch.png"),),
    "methods": (("fdsweep methods --json", "every option with its default"),),
    "report": (
        ("fdsweep report", "of the sweep that ran last"),
        ("fdsweep report compare-rooms --format html > report.html", "a name, or its beginning"),
        ("fdsweep report last --format latex > table.tex", "for a paper"),
        ("fdsweep report compare-rooms compare-watch", "methods by data sets, and pooled"),
    ),
    "diff": (
        ("fdsweep diff compare-watch last", "what differs in setup and result"),
        ("fdsweep diff last /shared/runs#last --json", "between two storages"),
    ),
    "status": (
        ("fdsweep status", "every sweep of the storage"),
        ("fdsweep status last --watch", "until Ctrl-C"),
    ),
    "export": (
        ("fdsweep export last", "an archive for a paper's supplement"),
        ("fdsweep export compare-watch --out supplement.zip", "of a name's beginning"),
    ),
    "import": (("fdsweep import supplement.zip", "then: fdsweep report last"),),
    "gc": (
        ("fdsweep gc --dry-run", "what no sweep needs any more"),
        ("fdsweep gc --yes", "delete it"),
    ),
    "models": (("fdsweep models --storage /shared/runs", "those kept there"),),
    "export-model": (("fdsweep export-model FD-CMKD student", "into the folder student"),),
    "predict": (("fdsweep predict student clip.npy", "what an exported student takes it for"),),
    "submit": (
        (
            "fdsweep submit --address http://head:8265 -- ablation --storage /shared/runs",
            "from a laptop",
        ),
    ),
    "logs": (("fdsweep logs ablation", "of the job whose name begins so"),),
    "stop": (("fdsweep stop ablation", "what it has done stays"),),
    "ui": (("fdsweep ui --port 5001", "MLflow, until Ctrl-C"),),
    "sync": (("fdsweep sync --tracking-uri http://mlflow:5000", "to another server"),),
    "doctor": (("fdsweep doctor --json", "for a bug report"),),
    "config": (
        ("fdsweep config --origin", "what files and variables set"),
        ("fdsweep config ablation > fdsweep.toml", "all options of a command, to edit"),
    ),
    "schema": (("fdsweep schema sweep > sweep.schema.json", "for an editor"),),
}
"""By command: what to type, and what comes of it."""


def epilog(command: str) -> str | None:
    """What stands at the end of the help of `command`; None without examples."""
    if command not in EXAMPLES:
        return None
    lines = [line for typed, why in EXAMPLES[command] for line in (f"# {why}", typed)]
    return "\n".join(["Examples:", *lines])
