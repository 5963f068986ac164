import dataclasses
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.document import Report
from fdsweep.results.formats.latex import to_latex

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def of_rows(*rows: TableRow, notes: tuple[str, ...] = ()) -> Report:
    return Report("s", (Table(title="t", columns=(), rows=rows, notes=notes),))


def lines_of(report: Report) -> list[list[str]]:
    """The cells of the lines between the rules, for each table."""
    bodies = re.findall(r"\\midrule\n(.*?)\\bottomrule", to_latex(report), re.DOTALL)
    return [
        [cell.strip() for line in body.splitlines() for cell in re.split(r"(?<!\\)&", line)]
        for body in bodies
    ]


def test_a_line_by_hand(line: Callable[..., TableRow]) -> None:
    base = line("Feat", mean=61.0, std=1.58, last=60.0, test_selected=63.0)
    row = dataclasses.replace(
        base, row="Freq", delta=3.0, delta_ci=(1.04, 4.96), paper=68.7, paper_note="doubt"
    )
    assert r"\caption{t: audio $\to$ visual ($\Delta$ against Feat).}" in to_latex(
        of_rows(base, row)
    )
    assert r"\begin{tabular}{@{}lrrrrrr@{}}" in to_latex(of_rows(base, row))
    (cells,) = lines_of(of_rows(base, row))
    assert cells == [
        *("Feat", "$8$", r"$61.0 \pm 1.6$", "--", "$60.0$", "$63.0$", r"-- \\"),
        *("Freq", "$8$", r"$61.0 \pm 1.6$", r"$+3.0\ [+1.0, +5.0]$", "$60.0$", "$63.0$"),
        r"$68.7^{\dagger}$ \\",
    ]


def test_only_rows_that_improve_are_bold(line: Callable[..., TableRow]) -> None:
    noise = line("a", mean=90.0, std=0.1, verdict="improves", within_noise=True)
    assert "bf{" not in to_latex(of_rows(noise))
    for verdict in ("worse", "equivalent", "inconclusive", None):
        text = to_latex(of_rows(line("a", mean=90.0, std=0.1, verdict=verdict)))
        assert "bf{" not in text
    text = to_latex(of_rows(line("a", mean=9.0, std=0.1, verdict="improves"), line("b", mean=99.0)))
    assert re.findall(r"\S*bf\{.*?\}", text) == [r"$\mathbf{9.0 \pm 0.1}", r"\textbf{improves}"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a & b_c % #1 ${}", r"a \& b\_c \% \#1 \$\{\}"),
        ("~ ^ \\", r"\textasciitilde{} \textasciicircum{} \textbackslash{}"),
        ("[x]*", "{[}x{]}{*}"),
        ("a<b|c>d", "a$<$b$|$c$>$d"),
        ("é Å ß č", r"\'{e} \r{A} \ss{} \v{c}"),
        ("≥ 中 a->b", r"$\geq$ \texttt{U+4E2D} a$\to$b"),
        ("tab\there", "tab here"),
    ],
)
def test_what_latex_would_read_as_commands(
    line: Callable[..., TableRow], name: str, written: str
) -> None:
    made = of_rows(line(name), notes=(f"note {name}",))
    assert lines_of(made)[0][0] == written
    assert f"note {written}\\par" in to_latex(made)


def test_the_structure(full: Report) -> None:
    text = to_latex(full)
    assert text.isascii()
    assert text.startswith("% fdsweep report components\\_crema-d")
    environments = re.findall(r"\\(begin|end)\{(\w+)\}", text)
    open_ones: list[str] = []
    for what, name in environments:
        if what == "begin":
            open_ones.append(name)
        else:
            assert open_ones.pop() == name
    assert not open_ones
    assert environments.count(("begin", "tabular")) == 3  # two directions, one search
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}\n") == 3
    tabulars = re.findall(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}(.*?)\\end", text, re.DOTALL)
    for columns, body in tabulars:
        assert {len(re.findall(r"(?<!\\)&", one)) for one in body.splitlines() if "&" in one} == {
            len(columns) - 1
        }
    assert len(set(re.findall(r"\\label\{(.*?)\}", text))) == 3
    first, second = text.index("visual"), text.index("audio $\\to$ visual", 10)
    assert first
    assert second < text.index("Data 12 \\& 3 \\% $<$new$>$, a$\\to$b.")
    assert text.count("Data 12") == 1


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_it_compiles(full: Report, tmp_path: Path) -> None:
    (tmp_path / "paper.tex").write_text(DOCUMENT % to_latex(full))
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
    assert "Overfull" not in done.stdout
