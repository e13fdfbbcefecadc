"""Papers of shipments and returns as PDF; the same paper gives the same bytes."""

from collections.abc import Sequence
from typing import Any

from activities.documents.codes import code, sscc_code
from activities.documents.notation import Notation
from activities.documents.typesetting import typeset
from activities.documents.words import Words, words_of
from models.documents import DocumentRules, Printed
from models.papers import (
    PaperAddress,
    PaperContent,
    PaperLine,
    PaperPackage,
    ReturnPaper,
    ShipmentPaper,
)
from models.views.shipping import PaperKind

_LABEL_MM, _PAGE_MM, _HALF_MM = 95.0, 170.0, 82.0
"""The widths that the templates leave for codes: on A6, on A4, and on half of it."""
_Data = dict[str, Any]  # data for JSON


def render_paper(kind: PaperKind, paper: ShipmentPaper, rules: DocumentRules) -> Printed:
    """Render a paper of a shipment; a packing slip in the customer's language, others in English.

    Labels have one page per package, with the SSCC by GS1: modules of 0.495 mm, bars of 32 mm.
    Raises TemplateBroken.
    """
    language = paper.language if kind is PaperKind.PACKING_SLIP else "en"
    words = words_of(language, rules)
    data = _shipment(paper, words, Notation(words.language))
    data["title"] = f"{_title(kind, words)} {paper.shipment_id}"
    return typeset(kind.value.replace("-", "_"), data, paper.planned_on, rules)


def render_return_label(paper: ReturnPaper, rules: DocumentRules) -> Printed:
    """Render the label of a return, then the pages to put into the package.

    Raises TemplateBroken.
    """
    words = words_of(paper.language, rules)
    notation = Notation(words.language)
    data = {
        "language": words.language,
        "words": words,
        "title": f"{words['return_title']} {paper.return_id}",
        "author": paper.from_address.name,
        "number": paper.return_id,
        "order": paper.order_id,
        "authorised_on": notation.day(paper.authorised_on),
        "valid_until": notation.day(paper.valid_until),
        "sender": _address(paper.from_address, notation),
        "recipient": _address(paper.to_address, notation),
        "code": code(paper.return_id, _LABEL_MM),
        "lines": [[line.sku, line.name, notation.count(line.quantity)] for line in paper.lines],
    }
    return typeset("return_label", data, paper.authorised_on, rules)


def _title(kind: PaperKind, words: Words) -> str:
    if kind is PaperKind.PACKING_SLIP:
        return str(words["packing_slip"])
    return kind.value.replace("-", " ").capitalize()


def _shipment(paper: ShipmentPaper, words: Words, notation: Notation) -> _Data:
    count = notation.count
    return {
        "language": words.language,
        "words": words,
        "author": paper.ship_from.name,
        "shipment": paper.shipment_id,
        "order": paper.order_id,
        "ordered_on": notation.day(paper.customer_order_date),
        "reference": paper.customer_reference,
        "date": notation.day(paper.planned_on),
        "sender": _address(paper.ship_from, notation),
        "recipient": _address(paper.ship_to, notation),
        "packages": [
            _package(package, count(number), words, notation)
            for number, package in enumerate(paper.packages, start=1)
        ],
        "lines": [_line(line, notation) for line in paper.lines],
        "totals": {
            "packages": count(len(paper.packages)),
            "packed": count(sum(_units(package.contents) for package in paper.packages)),
            "weight": notation.kilograms(paper.weight_g),
            "ordered": count(sum(line.ordered for line in paper.lines)),
            "in_shipment": count(paper.units),
            "to_follow": count(sum(line.to_follow for line in paper.lines)),
        },
        "shipment_code": code(paper.shipment_id, _PAGE_MM),
        "tracking_code": code(paper.tracking_number, _LABEL_MM),
        "booking_code": code(paper.booking_id, _HALF_MM),
        "freight_class": paper.freight_class or "",
        **paper.model_dump(
            include={
                *("mode", "carrier", "service", "tracking_number", "booking_id"),
                *("location", "instructions", "taken_by"),
            }
        ),
    }


def _address(address: PaperAddress, notation: Notation) -> _Data:
    """List the lines of an address for an envelope, with the country's name."""
    return {
        "name": address.name,
        "lines": [*address.all_lines, notation.country(address.country)],
        "country": address.country,
    }


def _package(package: PaperPackage, number: str, words: Words, notation: Notation) -> _Data:
    size = (package.length_mm, package.width_mm, package.height_mm)
    return {
        "number": number,
        "kind": words["kinds"].get(package.kind, package.kind),
        "sscc": package.sscc,
        "code": sscc_code(package.sscc, _LABEL_MM),
        "size": notation.centimetres(*size),
        "weight": notation.kilograms(package.weight_g),
        "units": notation.count(_units(package.contents)),
        "contents": [
            {"sku": item.sku, "name": item.name, "quantity": notation.count(item.quantity)}
            for item in package.contents
        ],
    }


def _line(line: PaperLine, notation: Notation) -> _Data:
    return {
        "number": notation.count(line.line_no),
        "sku": line.sku,
        "name": line.name,
        "gtin": line.gtin,
        "ordered": notation.count(line.ordered),
        "in_shipment": notation.count(line.in_shipment),
        "to_follow": notation.count(line.to_follow),
        "is_shipped": line.in_shipment > 0,
    }


def _units(contents: Sequence[PaperContent]) -> int:
    return sum(content.quantity for content in contents)
