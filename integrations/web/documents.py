"""Documents: stored by the ERP, fetched by eMAG."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from integrations.erp.forms import LARGEST_ID
from integrations.ledger.hosted import NoDocumentError, fetch_hosted, store_document
from integrations.ledger.operations import OperationError
from integrations.services.service import MalformedError
from integrations.web.context import Given
from integrations.web.problems import NotFoundError, about, documented

PDF = "application/pdf"

router = APIRouter(prefix="/documents", tags=["documents"])


class Stored(BaseModel):
    """Where eMAG fetches the document; the invoice's `pdf_url` says the same."""

    invoice_id: int
    url: str


class NotPublicError(OperationError):
    """eMAG could not fetch anything from here."""


@router.put(
    "/{invoice_id}",
    summary="Store an invoice's document",
    responses=documented(400, 401, 404, 408, 409, 413, 421, 422, 429, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {PDF: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def store(
    given: Given, request: Request, invoice_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]
) -> Stored:
    """Keep a PDF of at most 10 MB; the invoice's `pdf_url` follows, and a sync attaches it."""
    if given.public_url is None:
        raise NotPublicError("eMAG can't fetch documents from here: set EMAG_PUBLIC_URL")
    books = given.database
    content = await request.body()
    try:
        with about("invoice_id"):
            schema = await books.schema()
            url = await store_document(
                books.engine, schema, given.secret, invoice_id, content, given.public_url
            )
    except NoDocumentError as error:
        raise MalformedError(f"body: {error}", "body") from error
    return Stored(invoice_id=invoice_id, url=url)


@router.head("/{name}.pdf", include_in_schema=False)
@router.get(
    "/{name}.pdf",
    summary="A document, for eMAG",
    response_class=Response,
    responses={
        200: {"description": "The document", "content": {PDF: {}}},
        **documented(404, 421, 422, 429, 503),
    },
)
async def fetch(given: Given, name: Annotated[str, Path(pattern=r"^[0-9a-f]{48}$")]) -> Response:
    """The document of that name; there is no list of them."""
    content = await fetch_hosted(given.database.engine, name)
    if content is None:
        raise NotFoundError("no such document: fetch it from the invoice's pdf_url", "name")
    headers = {"Cache-Control": "private, max-age=31536000, immutable", "X-Robots-Tag": "noindex"}
    return Response(content, media_type=PDF, headers=headers)
