"""What eMAG takes as a document (API facts: order/attachments/save)."""

from __future__ import annotations

LARGEST = 10 * 1024 * 1024  # bytes

BEGIN, END = b"%PDF-", b"%%EOF"

# Readers of PDF look for its end in its last bytes, of which not all need be its own.
TAIL = 1024


def why_refused(head: bytes, tail: bytes, size: int) -> str | None:
    """Why a document is not taken, None where it is.

    Args:
        head: its first bytes, as many as BEGIN has or more.
        tail: its last TAIL bytes or more.
        size: how many bytes it has.
    """
    if not size:
        return "it is empty"
    if not head.startswith(BEGIN):
        return "it is no PDF: that begins with %PDF-"
    if size > LARGEST:
        return "it is larger than 10 MB"
    if END not in tail[-TAIL:]:
        return "it is cut off: a PDF ends with %%EOF"
    return None
