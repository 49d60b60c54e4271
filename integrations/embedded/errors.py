"""What goes wrong with the embedded PostgreSQL, said in one line."""

from __future__ import annotations


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL can't run here; the text is one line with the remedy."""

    def __init__(self, problem: str, other_remedy: str = "") -> None:
        own = "DATABASE_URL to use a PostgreSQL of your own"
        remedy = f"set {other_remedy}, or {own}" if other_remedy else f"set {own}"
        super().__init__(f"embedded PostgreSQL: {problem}; {remedy}")
