"""What a retrieval is judged by: at which place each sample finds its own of another modality."""

DEPTHS = (1, 5, 10)
"""Recall at k is the share of the samples that find their own among the first k."""

RECALLS = tuple(f"recall_at_{k}{back}" for back in ("", "_back") for k in DEPTHS)
"""The recalls of a student's samples that look for the teacher's and, back, of the teacher's."""


def found(ranks: list[int], ranks_back: list[int]) -> list[list[bool]]:
    """Whether each sample counts in each of RECALLS, from the places where it finds its own.

    Example:
        >>> found([1, 7], [5, 11])
        [[True, True, True, False, True, True], [False, False, True, False, False, False]]
    """
    pairs = zip(ranks, ranks_back, strict=True)
    return [[rank <= k for rank in pair for k in DEPTHS] for pair in pairs]
