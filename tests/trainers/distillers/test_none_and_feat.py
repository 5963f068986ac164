import pytest
from reference import DIM, OTHER_DIM, arrays, batch, build, cross_entropy, linear, losses, weights


def test_none_is_cross_entropy_without_a_teacher() -> None:
    distiller = build("none")
    student, _, labels = batch()
    assert distiller(student, None, labels) == {}
    terms = losses(distiller, student, None, labels)
    expected = cross_entropy(arrays(student)[1], labels)
    assert not distiller.needs_teacher
    assert terms["task"].item() == pytest.approx(expected, rel=0, abs=1e-10)
    assert terms["total"].item() == terms["task"].item()


@pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_feat_is_its_formula(reduction: str, teacher_dim: int) -> None:
    distiller = build("feat", teacher_dim, weight=3, reduction=reduction)
    student, teacher, labels = batch(teacher_dim)
    (x_s, z_s), (x_t, _) = arrays(student), arrays(teacher)
    squares = (linear(weights(distiller), "project", x_s) - x_t) ** 2
    feat = squares.sum() / len(squares) if reduction == "sum" else squares.mean()
    task = cross_entropy(z_s, labels)
    terms = losses(distiller, student, teacher, labels)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {"task": task, "feat": feat, "total": task + 3 * feat}, rel=0, abs=1e-10
    )
