"""Invented products, people and places, from which incomplete records are completed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

VENDOR = "Magazin Exemplu SRL"


@dataclass(frozen=True)
class Product:
    """A product of the invented shop; the price is net of VAT, in RON, as eMAG writes it."""

    product_id: str
    name: str
    part_number: str
    sale_price: str
    vat: str = "0.2100"
    deposit: bool = False


@dataclass(frozen=True)
class Place:
    """A town as addresses name it; the locality ids are invented."""

    county: str
    city: str
    locality_id: int


PRODUCTS: tuple[Product, ...] = (
    Product("1001", "Cana ceramica 350 ml", "CANA-350", "82.6446"),
    Product("1002", "Suc mere 1 L", "SUC-1L", "41.3140", "0.1100", deposit=True),
    Product("1003", "Tigaie granit 28 cm", "TIG-28", "120.6612"),
    Product("1004", "Lampa birou LED", "LAMPA-LED", "74.3719"),
    Product("1005", "Rucsac laptop 15.6 inch", "RUCSAC-15", "156.1983"),
    Product("1006", "Perna spuma cu memorie", "PERNA-M", "90.0826"),
    Product("1007", "Set 6 pahare apa", "PAHARE-6", "49.5868"),
    Product("1008", "Cablu USB-C 2 m", "USBC-2M", "24.7107"),
    Product("1009", "Ceai de tei 100 g", "CEAI-TEI", "13.5135", "0.1100"),
    Product("1010", "Patura pufoasa 150x200", "PATURA-150", "98.3471"),
    Product("1011", "Fierbator inox 1.7 L", "FIERB-17", "132.2314"),
    Product("1012", "Joc de masa Padurea", "JOC-PAD", "107.4380"),
)

BY_ID: dict[str, Product] = {product.product_id: product for product in PRODUCTS}

GIVEN_NAMES = (
    "Ioana",
    "Mihai",
    "Ana",
    "Vlad",
    "Elena",
    "Radu",
    "Maria",
    "Sorin",
    "Irina",
    "Dan",
    "Larisa",
    "Tudor",
)
FAMILY_NAMES = (
    "Exemplu",
    "Inventat",
    "Fictivescu",
    "Modelescu",
    "Probescu",
    "Mostrea",
    "Inchipuitu",
    "Demonescu",
)
PLACES: tuple[Place, ...] = (
    Place("Cluj", "Cluj-Napoca", 1001),
    Place("Bucuresti", "Bucuresti Sectorul 3", 1002),
    Place("Timis", "Timisoara", 1003),
    Place("Iasi", "Iasi", 1004),
    Place("Brasov", "Brasov", 1005),
    Place("Constanta", "Constanta", 1006),
    Place("Sibiu", "Sibiu", 1007),
)

PAYMENT_MODES: dict[int, str] = {1: "RAMBURS", 2: "OP", 3: "CARD online"}


def product(product_id: str) -> Product:
    """The product with an id; one is invented for an id that the shop doesn't know."""
    known = BY_ID.get(product_id)
    return known or Product(product_id, f"Produs {product_id}", f"PN-{product_id}", "50.0000")


def person(number: int) -> tuple[str, Place]:
    """A name and a home for a number, always the same."""
    given = GIVEN_NAMES[number % len(GIVEN_NAMES)]
    family = FAMILY_NAMES[number // 7 % len(FAMILY_NAMES)]
    return f"{given} {family}", PLACES[number // 3 % len(PLACES)]


def phone(number: int) -> str:
    """A telephone number in a range that nobody has."""
    return f"07000{number % 100000:05d}"


def usual_lines(number: int) -> list[dict[str, Any]]:
    """What order `number` holds when nobody says otherwise."""
    products = PRODUCTS
    first = {"product_id": products[number % len(products)].product_id, "quantity": number % 3 + 1}
    if number % 2:
        return [first]
    return [first, {"product_id": products[(number + 1) % len(products)].product_id, "quantity": 1}]


def product_emag_id(product_id: str) -> int:
    """eMAG's own number of a product, always the same."""
    return 650000000 + zlib.crc32(product_id.encode()) % 10**7
