"""The comparison of methods: every one on equal terms, in the groups of the paper's Table 1."""

from fdsweep.search_spaces.fields import parse_names
from fdsweep.search_spaces.sweep import Sweep, validated
from fdsweep.trainers import distillers

BASELINE = "none"
GROUPS = ("Uni", "Logit", "Feature", "Cross", "Combined")


def comparison(methods: str | None = None, pairing: str = "paired") -> Sweep:
    """The study of `methods` against `none`, each with its default options.

    Args:
        methods: names joined by commas; "+" adds up several methods to one. All by default,
            those of installed packages included.
        pairing: which teacher sample stands beside a student sample, in every row.

    Raises:
        ConfigError: a method or pairing that does not exist, or a method that is named twice.
    """
    names = distillers.names() if methods is None else parse_names(methods, "--methods")
    rows = [_row(name, pairing) for name in dict.fromkeys((BASELINE, *names))]
    order = {group: number for number, group in enumerate(GROUPS)}
    rows.sort(key=lambda row: order.get(str(row["group"]), len(order)))
    title = "Methods compared" if pairing == "paired" else f"Methods compared, {pairing}"
    content = {"study": "compare", "title": title, "rows": rows}
    return validated({**content, "paper_table": "table1_classification"}, "compare")


def _row(name: str, pairing: str) -> dict[str, object]:
    method = distillers.specimen(name, {})
    paper = {"method": method.published} if method.published else None
    return {"name": name, "method": name, "group": method.group, "pairing": pairing, "paper": paper}
