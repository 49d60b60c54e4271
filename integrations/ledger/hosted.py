"""Documents that this installation serves to eMAG, kept beside the books: any host can serve them.

A document's name follows from its content and its invoice: stable, and not to be guessed.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from integrations.emag.pdf import BEGIN, TAIL, why_refused
from integrations.erp import write
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.ledger.database import autocommit, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.operations import PATIENCE, UnknownRowError, explained

LENGTH = 48

_STORE = """
    INSERT INTO app.emag_documents (name, invoice_id, content)
    VALUES (:name, :invoice_id, :content) ON CONFLICT (name) DO NOTHING
"""

_FETCH = "SELECT content FROM app.emag_documents WHERE name = :name"

_LOCK = "SELECT id FROM app.invoices WHERE id = :invoice_id FOR UPDATE"


class NoDocumentError(ValueError):
    """What was handed in is no document that eMAG takes; the text says why."""


def name_of(secret: bytes, invoice_id: int, content: bytes) -> str:
    """The name under which a document is served."""
    about = f"document:{invoice_id}:{sha256(content).hexdigest()}".encode()
    return hmac.new(secret, about, sha256).hexdigest()[:LENGTH]


def check_document(content: bytes) -> None:
    """Raises NoDocumentError for what eMAG would not take (API facts: order/attachments/save)."""
    problem = why_refused(content[: len(BEGIN)], content[-TAIL:], len(content))
    if problem is not None:
        raise NoDocumentError(f"the document can't be stored, since {problem}")


async def store_document(
    engine: Engine,
    schema: ErpSchema,
    secret: bytes,
    invoice_id: int,
    content: bytes,
    public_url: str,
) -> str:
    """Keep an invoice's document and point the ERP's `pdf_url` at it; the address.

    Raises:
        NoDocumentError: eMAG would not take it.
        UnknownRowError: the ERP has no such invoice.
        OperationError: the ERP's row can't be written.
    """
    check_document(content)
    name = name_of(secret, invoice_id, content)
    url = f"{public_url.rstrip('/')}/api/v1/emag/documents/{name}.pdf"
    with explained(Kind.INVOICE):
        await _keep(engine, schema, invoice_id, name, content, url)
    return url


async def _keep(
    engine: Engine, schema: ErpSchema, invoice_id: int, name: str, content: bytes, url: str
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(PATIENCE)
        found = await connection.execute(_LOCK, {"invoice_id": invoice_id})
        if found.first() is None:
            raise UnknownRowError(f"the ERP has no row {invoice_id} in app.invoices")
        await connection.execute(
            _STORE, {"name": name, "invoice_id": invoice_id, "content": content}
        )
        address = write.require_room(schema, "invoices", {"pdf_url": url})
        values: dict[str, write.Value] = {**address, "pdf_generated": True}
        await write.update(connection, schema, "invoices", invoice_id, values)


async def fetch_hosted(engine: Engine, name: str) -> bytes | None:
    """A document by its name, None where there is none."""
    async with autocommit(engine) as connection:
        content = (await connection.execute(_FETCH, {"name": name})).scalar_one_or_none()
    return None if content is None else bytes(content)
