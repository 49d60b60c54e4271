"""PDF documents to attach, and ones that only claim to be PDFs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

DocumentKind = Literal["pdf", "html", "big", "cut", "missing"]
KINDS: tuple[str, ...] = get_args(DocumentKind)

BIG_BYTES = 12 * 1024 * 1024


@dataclass(frozen=True)
class Document:
    """What `/sandbox/documents/<name>.pdf` serves.

    `html` is a login page that claims to be a PDF, `big` a PDF of 12 MB, `cut` the first half of
    one, `missing` a 404.
    """

    content: bytes
    kind: DocumentKind = "pdf"


def document(text: str, content: bytes = b"", kind: DocumentKind = "pdf") -> Document:
    """A document of a kind; where no content is given, it is made, with `text` on the page."""
    if kind == "html" and not content:
        content = b"<!doctype html><html><body><form>Autentificare</form></body></html>"
    elif kind == "big":
        body = content or small_pdf(text)
        content = body + b"\n%" + b" " * (BIG_BYTES - len(body))
    elif kind == "cut":
        whole = content or small_pdf(text)
        content = whole[: len(whole) // 2]
    elif kind == "pdf" and not content:
        content = small_pdf(text)
    return Document(content, kind)


def small_pdf(text: str) -> bytes:
    """A valid PDF of one page that shows one line of ASCII text."""
    shown = text.encode("ascii", "replace").translate(None, b"()\\")
    stream = b"BT /F1 18 Tf 60 760 Td (" + shown + b") Tj ET"
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources 6 0 R>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Font<</F1 5 0 R>>>>",
    )
    pdf = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj%s endobj\n" % (number, body)
    table = len(pdf)
    pdf += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        pdf += b"%010d 00000 n \n" % offset
    pdf += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(pdf)
