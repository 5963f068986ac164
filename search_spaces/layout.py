"""Every place in a storage, as a path below its root: this is the one list of them.

results/<key>-<seed>.parquet        a replicate's row: it exists once this file does
curves/<key>-<seed>.parquet         its metrics per epoch
predictions/<key>-<seed>.parquet    what its task keeps of the test split
cache/results.parquet               copies of rows of results/; may be deleted, as all of cache/
cache/predictions.parquet           the same of predictions/
cache/whole.json                    files of curves/ and predictions/ that were seen to be whole
cache/outlines/<key>.json           what a sweep came to when it was last typed
cache/tables/<sweep>/<key>.json     what was last computed of a sweep
teachers/<key>/<seed>.safetensors   a trained teacher, with its record <seed>.json beside it; also
                                    a student, under its own key, that an analysis looked at
students/<key>/<seed>.safetensors   a student that is kept for the user, with its record <seed>.json
                                    beside it; may be deleted
checkpoints/<digest>.safetensors    pretrained weights that networks start from
data/<name>/manifest.json           a prepared data set, its shards in a folder beside it
reports/<sweep>/                    sweep.json, costs.json, searches.json, analysis.json,
                                    study.yaml, reports, pictures
reports/<sweep>/errors/             the log of everything that failed
runs/<sweep>/<key>-<seed>.json      what trackers were told that results/ does not hold: a teacher's
                                    run, or that of a search's trial (without a seed)
progress/<sweep>-<driver>.json      how far a driver is that is at work; nothing depends on it
ray/                                Ray's own files: train/<run>, and one folder per Tuner
damaged/<place>.damaged             a file that could not be read; may be deleted
locks/<name>.lock                   one process at a time
locks/leases/<name>                 what a driver trains: replicates <key>-<seed>, names of runs
mlflow.db, mlartifacts/             MLflow's runs; a broken database becomes mlflow.db.damaged
optuna.db                           the studies of searches
optuna/<search>.jsonl               the same of one search in a remote storage, as a journal
"""

import posixpath

RESULTS, CURVES, PREDICTIONS, REPORTS = "results", "curves", "predictions", "reports"
RESULTS_CACHE = "cache/results.parquet"
PREDICTIONS_CACHE = "cache/predictions.parquet"
WHOLE_CACHE = "cache/whole.json"
MLFLOW_DATABASE, MLFLOW_ARTIFACTS = "mlflow.db", "mlartifacts"
OPTUNA_DATABASE = "optuna.db"
DATA = "data"
LOCKS = "locks"
LEASES = "locks/leases"
RUNS = "runs"
PROGRESS = "progress"
STUDENTS = "students"
TEACHERS, CHECKPOINTS = "teachers", "checkpoints"
OUTLINES, TABLES = "cache/outlines", "cache/tables"
RAY = "ray"
RAY_TRAIN = "ray/train"
BESIDE = (CURVES, PREDICTIONS)
"""Where files of replicates may lie beside their rows."""

REPLICATES = (*BESIDE, RESULTS)
"""Where all of a replicate lies. Its row makes it count: it is written last, and deleted first."""

FOLDERS = (*REPLICATES, TEACHERS, STUDENTS, CHECKPOINTS, RAY, OUTLINES, TABLES, "damaged")
"""Where there may be files that no sweep needs any more."""


def replicate_file(key: str, seed: int) -> str:
    """Name of a replicate's file in RESULTS, CURVES and PREDICTIONS."""
    return f"{key}-{seed}.parquet"


def teachers(key: str) -> str:
    """The folder of a teacher's weights and records."""
    return f"{TEACHERS}/{key}"


def teacher_weights(key: str, seed: int) -> str:
    """The weights of a teacher, or of a student that an analysis looks at."""
    return f"teachers/{key}/{seed}.safetensors"


def teacher_record(key: str, seed: int) -> str:
    """What is known of such a network beside its weights."""
    return f"teachers/{key}/{seed}.json"


def students(key: str) -> str:
    """The folder of the kept students of a configuration."""
    return f"{STUDENTS}/{key}"


def student_weights(key: str, seed: int) -> str:
    """The weights of a student that is kept."""
    return f"{STUDENTS}/{key}/{seed}.safetensors"


def student_record(key: str, seed: int) -> str:
    """How to use them, and what they came to."""
    return f"{STUDENTS}/{key}/{seed}.json"


def checkpoint(digest: str) -> str:
    """Pretrained weights with the sha256 that begins with `digest`."""
    return f"checkpoints/{digest}.safetensors"


def data_manifest(name: str) -> str:
    """What there is of the prepared data set `name`."""
    return f"data/{name}/manifest.json"


def data_file(name: str, folder: str, file: str = "") -> str:
    """A `file` of the data set `name`: a shard, its outcome or an asset; the folder without one."""
    return posixpath.join("data", name, folder, file).rstrip("/")


def outline(key: str) -> str:
    """What the sweep that `key` spells came to."""
    return f"{OUTLINES}/{key}.json"


def computed(sweep: str, key: str) -> str:
    """What was computed of `sweep` over the seeds that `key` spells."""
    return f"{TABLES}/{sweep}/{key}.json"


def report_file(sweep: str, file: str) -> str:
    """A `file` of a sweep's report: text, picture or record."""
    return f"{REPORTS}/{sweep}/{file}"


def error_log(sweep: str, name: str) -> str:
    """Why the trial or replicate `name` failed."""
    return f"{REPORTS}/{sweep}/errors/{name}.txt"


def tracked_run(sweep: str, key: str, seed: str) -> str:
    """What a tracker was told of a replicate of `sweep`, or of a trial (`seed` is empty)."""
    return f"{RUNS}/{sweep}/{key}-{seed}.json"


def bulletin(sweep: str, driver: str) -> str:
    """How far the `driver` of `sweep` is."""
    return f"{PROGRESS}/{sweep}-{driver}.json"


def lock(name: str) -> str:
    """Held by the one process that may write what `name` names."""
    return f"{LOCKS}/{name}.lock"


def journal(search: str) -> str:
    """The study of `search`, as its driver has last written it down."""
    return f"optuna/{search}.jsonl"


def tuner_folder(name: str) -> str:
    """What Ray Tune writes while the Tuner `name` runs."""
    return f"{RAY}/{name}"


def train_folder(run: str) -> str:
    """What Ray Train writes for the `run` of a trial: its checkpoints."""
    return f"{RAY_TRAIN}/{run}"
