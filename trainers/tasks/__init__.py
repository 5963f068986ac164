"""Tasks: one module each, found through the registry or the entry points `fdsweep.tasks`.

A task says what a network learns and how its predictions are judged; see `Task`.
"""

from fdsweep.trainers.registry import Registry
from fdsweep.trainers.tasks.base import Task, class_weights

__all__ = ["Task", "class_weights", "find", "metric", "registry", "version"]

registry: Registry[Task] = Registry("task", "fdsweep.trainers.tasks", "fdsweep.tasks")


def find(name: str) -> Task:
    """The task `name`; ConfigError naming those there are for another name.

    Example:
        >>> find("classification").metric
        'accuracy'
    """
    return registry.get(name).factory()


def metric(name: str) -> str:
    """What scores of the task `name` are: its headline metric."""
    return find(name).metric


def version(name: str) -> int:
    """The declared version of the task `name`, which enters content keys."""
    return registry.get(name).version
