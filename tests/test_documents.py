"""What the pages and deploy/ tell people to type is what the command line takes.

And deploy/ agrees with pyproject.toml, constraints.txt and the fields that KubeRay 1.6 knows.
"""

import re
import shlex
import subprocess
import tomllib
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from typer.main import get_command

from fdsweep.orchestrator.cli import app

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
ROOT_PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*ROOT_PAGES, *sorted((ROOT / "docs").rglob("*.md")), *sorted(DEPLOY.iterdir())]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))

CODE = {
    ".md": re.compile(r"^```\w*\n(?P<block>.*?)^```|`(?P<span>fdsweep [^`]+)`", re.M | re.S),
    "": re.compile(r"^#   (?P<block>.*)$|^  entrypoint: (?P<span>.*)$", re.M),
}
"""Where commands stand: on pages, and in files of deploy/."""

TYPED = re.compile(r"(?:(?<![\w.'-])fdsweep|deploy/slurm\.sh) (?=[a-z])(.*)")
"""A command, wherever it stands in a line; deploy/slurm.sh takes the words of one."""

CLI = get_command(app)


def commands(page):
    """Every command in `page`, as what stands after `fdsweep`."""
    parts = CODE.get(page.suffix, CODE[""]).finditer(page.read_text())
    texts = [part["block"] or (part["span"] or "").replace("\n", " ") for part in parts]
    found = [
        TYPED.search(line) for text in texts for line in text.replace("\\\n", " ").splitlines()
    ]
    return [match[1] for match in found if match]


def words(command):
    """`command` as a shell has it, up to a comment, a pipe or another command."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(takewhile(lambda word: not word.startswith(("<", ">", "|", "&", ";")), lexer))


def parse(typed, group=CLI):
    """Go through `typed` as the command line does; its own errors for what it would refuse."""
    name, *rest = typed
    command = group.get_command(SimpleNamespace(), name)
    assert command, f"there is no command {name}"
    if rest and rest[0] in getattr(command, "commands", ()):
        parse(rest, command)
    elif rest or not any(option.required for option in command.params):
        settings = command.make_context(name, rest).params
        if name == "submit":
            parse(settings["command"])


def complaint(command):
    """Why the command line refuses `command`; "…" in it may stand for nothing or for a value."""
    typed = words(command)
    for reading in ([word for word in typed if word != "…"], typed):
        try:
            parse(reading)
            return None
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
    return why


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_is_one(page):
    refused = {command: complaint(command) for command in commands(page)}
    assert {command: why for command, why in refused.items() if why} == {}


def test_commands_are_found_and_wrong_ones_are_noticed():
    assert all(
        commands(page) for page in (ROOT / "README.md", DEPLOY / "slurm.sh", DEPLOY / "rayjob.yaml")
    )
    assert words("run a.yml --aa 'a->b' > t.json  # why") == ["run", "a.yml", "--aa", "a->b"]
    for wrong in (
        *("ablate", "ablation --sedes 3", "ablation --seeds", "report --epochs 3", "run --aa"),
        *("submit -- ablation --sedes 3", "search --trials many"),
    ):
        assert complaint(wrong), wrong


def test_files_of_deploy_that_are_named_are_there():
    named = {name for page in PAGES for name in re.findall(r"deploy/[\w.]+\w", page.read_text())}
    assert {name for name in named if not (ROOT / name).is_file()} == set()
    own = {f"deploy/{path.name}" for path in DEPLOY.iterdir() if path.suffix != ".dockerignore"}
    assert own <= set(re.findall(r"deploy/[\w.]+\w", (ROOT / "docs/how-to/cluster.md").read_text()))


CLUSTER = {
    *("rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions"),
    *("headGroupSpec", "workerGroupSpecs"),
}
JOB = {
    *("entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished"),
    "rayClusterSpec",
}
GROUP = {"rayStartParams", "template"}
WORKERS = GROUP | {"groupName", "replicas", "minReplicas", "maxReplicas"}
AUTOSCALER = {"version", "idleTimeoutSeconds"}


@pytest.fixture(params=["rayjob", "raycluster"])
def manifest(request):
    return yaml.safe_load((DEPLOY / f"{request.param}.yaml").read_text())


def cluster_of(manifest):
    return manifest["spec"].get("rayClusterSpec", manifest["spec"])


def pods(manifest):
    cluster = cluster_of(manifest)
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_a_manifest_has_fields_that_kuberay_knows(manifest):
    """Those of the resources' definitions, v1.6.2; an unknown field is dropped without a word."""
    cluster = cluster_of(manifest)
    assert manifest["apiVersion"] == "ray.io/v1"
    if manifest["kind"] == "RayJob":
        assert manifest["spec"].keys() <= JOB
    assert cluster.keys() <= CLUSTER
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster.get("autoscalerOptions", {}).keys() <= AUTOSCALER
    assert cluster["headGroupSpec"].keys() <= GROUP
    for group in cluster["workerGroupSpecs"]:
        assert group.keys() <= WORKERS
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_a_manifest_starts_the_pinned_ray_from_one_image(manifest):
    assert cluster_of(manifest)["rayVersion"] == PINNED["ray"]
    assert len({pod["containers"][0]["image"] for pod in pods(manifest)}) == 1


def test_every_pod_mounts_the_storage_where_the_command_looks_for_it(manifest):
    claim = yaml.safe_load((DEPLOY / "storage.yaml").read_text())["metadata"]["name"]
    folder = words(manifest["spec"].get("entrypoint", "fdsweep status --storage /runs"))[-1]
    for pod in pods(manifest):
        (volume,) = pod["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim
        (container,) = pod["containers"]
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": folder}]


def test_the_image_has_what_the_project_asks_for():
    text = (DEPLOY / "Dockerfile").read_text()
    (python,) = re.findall(r"^FROM python:([\d.]+)-slim$", text, re.M)
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    assert set(re.findall(r"'\.\[(\w+)\]'", text)) <= PROJECT["optional-dependencies"].keys()
    kept = set(re.findall(r"^!(\S+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.M))
    rooms = {path.resolve().name for path in (ROOT / "src/fdsweep").iterdir() if path.is_symlink()}
    asked = {"pyproject.toml", "constraints.txt", PROJECT["readme"], *PROJECT["license-files"]}
    assert kept == {"src", *rooms, *asked}


def test_the_script_for_slurm_says_what_is_missing(tmp_path):
    (tmp_path / "bash").symlink_to("/bin/bash")
    found = subprocess.run(
        ["/bin/bash", DEPLOY / "slurm.sh", "ablation"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("No fdsweep on the PATH")
    assert subprocess.run(["/bin/bash", "-n", DEPLOY / "slurm.sh"]).returncode == 0
