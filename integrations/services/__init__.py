"""Returns, cancellations and invoices from Python, as the integration guide calls them.

They queue what is asked for in the seller's own database; a sync carries it to eMAG. Nothing here
talks to eMAG, so a crash of the caller's loses nothing and sends nothing twice.
"""

from __future__ import annotations

from integrations.services.cancellations import EmagCancellationIntegration
from integrations.services.invoices import EmagInvoiceIntegration
from integrations.services.manager import EmagIntegrationManager
from integrations.services.results import Result
from integrations.services.returns import EmagRMAIntegration

__all__ = [
    "EmagCancellationIntegration",
    "EmagIntegrationManager",
    "EmagInvoiceIntegration",
    "EmagRMAIntegration",
    "Result",
]
