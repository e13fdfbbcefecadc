"""Papers of shipments and returns are complete, and their barcodes can be scanned."""

import io
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from activities.documents.papers import render_paper, render_return_label
from models.customers import Address
from models.documents import DocumentRules
from models.papers import PaperAddress, ReturnPaper, ShipmentPaper
from models.views.shipping import PaperKind
from tests.support.documents.papers import (
    black_bars,
    content_of,
    line_of,
    package_of,
    return_of,
    scanned,
    shipment_of,
    zbar,
)

LONGEST_ORDER = "Order_2026-Ab.c" + "x9Q-" * 12 + "z"
LONGEST_SHIPMENT = f"SH-{LONGEST_ORDER}-12"
FAR_AWAY = PaperAddress(
    name="Norddeutsche Werkzeughandelsgesellschaft für Präzision und Maschinenbau mbH & Co. KG",
    lines=(
        "c/o Παπαδόπουλος, Логистика",
        "Industriegebiet Nord, Halle 17, Tor 4, Rampe 12b",
        "Donaudampfschifffahrtsgesellschaftskapitänsstraße 123456",
        "01234 Bad Klosterlausnitz an der Weißen Elster",
    ),
    country="DE",
)
CARTON_CM = "40 \N{MULTIPLICATION SIGN} 30.5 \N{MULTIPLICATION SIGN} 20"
MM = 72 / 25.4
"""One millimetre in points."""

Render = Callable[[ShipmentPaper], bytes]


def label_pdf(paper: ShipmentPaper) -> bytes:
    """Render the labels of a shipment."""
    return render_paper(PaperKind.LABEL, paper, DocumentRules()).pdf


def bill_of_lading_pdf(paper: ShipmentPaper) -> bytes:
    """Render a bill of lading."""
    return render_paper(PaperKind.BILL_OF_LADING, paper, DocumentRules()).pdf


def pick_list_pdf(paper: ShipmentPaper) -> bytes:
    """Render a pick list."""
    return render_paper(PaperKind.PICK_LIST, paper, DocumentRules()).pdf


def packing_slip_pdf(paper: ShipmentPaper) -> bytes:
    """Render a packing slip."""
    return render_paper(PaperKind.PACKING_SLIP, paper, DocumentRules()).pdf


def return_label_pdf(paper: ReturnPaper) -> bytes:
    """Render the label of a return."""
    return render_return_label(paper, DocumentRules()).pdf


OF_A_SHIPMENT: tuple[Render, ...] = (
    *(label_pdf, bill_of_lading_pdf, pick_list_pdf, packing_slip_pdf),
)


def pages_of(pdf: bytes) -> list[str]:
    """Read the text of each page with poppler, row by row, with single spaces."""
    command = ("pdftotext", "-layout", "-", "-")
    text = subprocess.run(command, input=pdf, check=True, capture_output=True).stdout.decode()
    return [" ".join(page.split()) for page in text.split("\f")[:-1]]


def text_of(pdf: bytes) -> str:
    """Read the text of all pages."""
    return " ".join(pages_of(pdf))


def test_every_label_can_be_scanned(tmp_path: Path) -> None:
    """An A6 page per package, with its own SSCC as GS1-128, and the tracking number."""
    paper = shipment_of()
    pdf = label_pdf(paper)
    pages = PdfReader(io.BytesIO(pdf)).pages
    assert [round(float(length) / MM) for length in pages[0].mediabox[2:]] == [105, 148]
    assert len(pages) == 3
    for number, package in enumerate(paper.packages, start=1):
        assert scanned(pdf, tmp_path, number) == {
            f"CODE-128:00{package.sscc}",
            "CODE-128:SWF0123456789DE",
        }
    assert zbar(pdf, tmp_path, 1, "--xml").count("modifiers='GS1'") == 1


def test_sscc_has_the_size_of_gs1() -> None:
    """Modules of at least 0.495 mm, bars of at least 31.75 mm, quiet zones of ten modules."""
    bars = black_bars(label_pdf(shipment_of(tracking_number="")))
    left = min(x for x, *_ in bars)
    right = max(x + width for x, width, _ in bars)
    assert min(width for _, width, _ in bars) == pytest.approx(0.495, abs=0.005)
    assert all(height >= 31.75 for *_, height in bars)
    assert left >= 4.95
    assert right <= 105 - 4.95


@pytest.mark.parametrize(
    ("tracking_number", "kind"),
    [
        ("JD014600003RU0012345678901", "CODE-128"),
        ("1Z999AA10123456784", "CODE-128"),
        ("123456789012345", "CODE-128"),
        ("420941089405511899223033005000", "CODE-128"),
        ("A1", "CODE-128"),
        ("Ab" * 14, "CODE-128"),
        ("Ab" * 50, "QR-Code"),
        ("Посылка 7", "QR-Code"),
    ],
)
def test_tracking_numbers_can_be_scanned(tracking_number: str, kind: str, tmp_path: Path) -> None:
    """Letters and digits, an odd number of digits, too long for bars, and beyond ASCII."""
    pdf = label_pdf(shipment_of(tracking_number=tracking_number))
    assert f"{kind}:{tracking_number}" in scanned(pdf, tmp_path)
    assert min(width for _, width, _ in black_bars(pdf)) >= 0.245


@pytest.mark.parametrize(
    ("shipment_id", "kind"),
    [
        ("SH-ORD-0815-1", "CODE-128"),
        ("SH-" + "Ab-" * 16 + "x-12", "CODE-128"),
        (LONGEST_SHIPMENT, "QR-Code"),
    ],
)
def test_shipment_id_on_pick_list_can_be_scanned(
    shipment_id: str, kind: str, tmp_path: Path
) -> None:
    """As bars up to about 55 characters; as QR code if modules would be narrower than 0.25 mm."""
    pdf = pick_list_pdf(shipment_of(shipment_id=shipment_id))
    assert scanned(pdf, tmp_path) == {f"{kind}:{shipment_id}"}
    assert min(width for _, width, _ in black_bars(pdf)) >= 0.245
    assert shipment_id in text_of(pdf)


@pytest.mark.parametrize(
    ("return_id", "kind"),
    [("RET-ORD-0815-1", "CODE-128"), (f"RET-{LONGEST_ORDER}", "QR-Code")],
)
def test_return_labels_can_be_scanned(return_id: str, kind: str, tmp_path: Path) -> None:
    """On the first page; the second lists the goods."""
    pdf = return_label_pdf(return_of(return_id=return_id))
    assert scanned(pdf, tmp_path) == {f"{kind}:{return_id}"}
    label, enclosed = pages_of(pdf)
    assert f"Return number {return_id}" in label
    assert "Valid until August 31, 2026" in label
    assert "SKU-1 Cordless drill 2" in enclosed


def test_booking_on_bill_of_lading_can_be_scanned(tmp_path: Path) -> None:
    """There is no code before the booking."""
    assert scanned(bill_of_lading_pdf(shipment_of()), tmp_path) == {"CODE-128:PRO-4711"}
    assert not black_bars(bill_of_lading_pdf(shipment_of(booking_id="")))


def test_label_states_addresses_carrier_and_package() -> None:
    """And the SSCC in digits."""
    first = pages_of(label_pdf(shipment_of(instructions="Ring at gate 4")))[0]
    for expected in (
        *("1/3", "Parcel", "Acme Warehouse", "Unit 7, Dock Road", "United Kingdom"),
        *("Carrier Swift Freight · Express", f"Package Carton, 12.501 kg, {CARTON_CM} cm"),
        *("Order ORD-0815", "Shipment SH-ORD-0815-1", "Instructions Ring at gate 4"),
        "(00) 3 4012 3450 0000 0001 7",
    ):
        assert expected in first


def test_unknown_values_have_no_labels() -> None:
    """Before the booking."""
    unknown = {"carrier": "", "service": "", "tracking_number": "", "booking_id": ""}
    for render in OF_A_SHIPMENT:
        text = text_of(render(shipment_of(**unknown)))
        assert not re.search(r"Service|Tracking|PRO number|Instructions", text)


def test_bill_of_lading_is_complete_and_adds_up() -> None:
    """Handling units, units of goods and weight; parties, class and terms; signature fields."""
    packages = [package_of(n, kind="pallet", weight_g=412_345 * n) for n in (1, 2, 3)]
    lines = [line_of(1, in_shipment=1_200), line_of(2, in_shipment=34), line_of(3, in_shipment=0)]
    paper = shipment_of(
        mode="ltl", packages=tuple(packages), lines=tuple(lines), freight_class="77.5"
    )
    pages = pages_of(bill_of_lading_pdf(paper))
    assert len(pages) == 1
    for expected in (
        *("Shipper Consignee", "Northwind Tools GmbH Acme Warehouse", "PRO number PRO-4711"),
        *("Mode LTL", "Freight charges Prepaid", "Date July 6, 2026"),
        f"1 Pallet 340123450000000017 {CARTON_CM} 2 412.345",
        *("Total 6 2,474.07", "SKU-1 Cordless drill 77.5 1,200", "Total 1,234"),
        "Handling units Units of goods Total weight Freight class 3 1,234 2,474.07 kg 77.5",
        "Shipper Carrier Consignee Northwind Tools GmbH Swift Freight Acme Warehouse",
    ):
        assert expected in pages[0]
    assert "SKU-3" not in pages[0]


def test_pick_list_states_goods_and_contents_of_packages() -> None:
    """Without lines that have no units in the shipment."""
    paper = shipment_of(lines=(line_of(1), line_of(2, in_shipment=0), line_of(3, in_shipment=5)))
    text = text_of(pick_list_pdf(paper))
    for expected in (
        *("Location HAM", "Packages 3", "1 SKU-1 04012345678901 Cordless drill 2"),
        *("3 SKU-3 04012345678901 Cordless drill 5", "Total 7"),
        f"Carton 2 of 3 · {CARTON_CM} cm · 12.502 kg · SSCC 340123450000000024",
        "SKU-2 Cordless drill 2",
    ):
        assert expected in text
    assert "2 SKU-2 04012345678901" not in text


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            [
                *("Packing slip", "Ordered July 1, 2026", "Carrier Swift Freight · Express"),
                "# SKU Description Ordered In this shipment To follow",
                *("1 SKU-1 Cordless drill 3 2 1", "Total 9 6 3", "Total 6 37.506", "Page 1 of 1"),
            ],
        ),
        (
            "de",
            [
                *("Lieferschein", "Bestellt am 1. Juli 2026", "Sendungsnummer SWF0123456789DE"),
                *("Vereinigtes Königreich", "Abgeholt von J. Doe", "In dieser Sendung Folgt"),
                *(
                    f"1 Karton 340123450000000017 {CARTON_CM.replace('.', ',')} 2 12,501",
                    "Seite 1 von 1",
                ),
            ],
        ),
    ],
)
def test_packing_slip_is_in_the_customers_language(language: str, expected: list[str]) -> None:
    """Units ordered, in this shipment and to follow; no prices."""
    text = text_of(packing_slip_pdf(shipment_of(language=language, taken_by="J. Doe")))
    assert [words for words in expected if words not in text] == []
    assert not re.search("EUR|price|preis", text)


def test_packing_slip_has_the_customers_reference() -> None:
    text = text_of(packing_slip_pdf(shipment_of(customer_reference="PO 4711", language="de")))
    assert "Ihr Zeichen PO 4711" in text
    assert "Ihr Zeichen" not in text_of(packing_slip_pdf(shipment_of(language="de")))


def test_german_return_label_is_german_on_both_pages() -> None:
    text = text_of(return_label_pdf(return_of(language="de")))
    for expected in (
        *("Rücksendung", "Empfänger", "Deutschland", "Gültig bis 31. August 2026"),
        *("Retourennummer RET-ORD-0815-1", "Bitte legen Sie diese Seite ins Paket", "Menge"),
    ):
        assert expected in text


def test_200_packages_and_1000_lines_are_complete() -> None:
    """With the totals, and a table head on every page."""
    paper = shipment_of(
        packages=tuple(map(package_of, range(1, 201))), lines=tuple(map(line_of, range(1, 1001)))
    )
    weight = f"{sum(package.weight_g for package in paper.packages) / 1000:,}"
    for render, sums in (
        (bill_of_lading_pdf, [f"Total 400 {weight}", "Total 2,000", f"200 2,000 {weight} kg"]),
        (packing_slip_pdf, ["Total 3,000 2,000 1,000", f"Total 400 {weight}"]),
        (pick_list_pdf, ["Total 2,000"]),
    ):
        pages = pages_of(render(paper))
        text = " ".join(pages)
        assert [total for total in sums if total not in text] == []
        assert all(package.sscc in text for package in paper.packages)
        assert set(map(str, range(1, 1001))) <= set(re.findall(r"SKU-(\d+) ", text))
        for number, page in enumerate(pages, start=1):
            assert f"Page {number} of {len(pages)}" in page
            assert re.search("SKU|SSCC|Total weight", page)
    assert len(pages_of(label_pdf(paper))) == 200


@pytest.mark.parametrize("render", OF_A_SHIPMENT)
def test_long_names_are_wrapped_and_printed_in_all_scripts(render: Render) -> None:
    """Addresses of four lines are complete, in all scripts of the font."""
    names = ["Drill " * 33, "x" * 200, "Дрель", "Τρυπάνι", "株式会社 東京"]
    paper = shipment_of(
        order_id=LONGEST_ORDER,
        shipment_id=LONGEST_SHIPMENT,
        ship_from=FAR_AWAY,
        ship_to=FAR_AWAY,
        instructions="Ring at gate 4. " * 20,
        packages=(package_of(contents=tuple(content_of(name=name) for name in names)),),
        lines=tuple(line_of(number, name=name) for number, name in enumerate(names, start=1)),
    )
    text = text_of(render(paper))
    # on any line, next to any text
    for word in (
        "Maschinenbau",
        "Παπαδόπουλος,",
        "Логистика",
        "Rampe",
        "123456",
        "Klosterlausnitz",
    ):
        assert word in text
    if render is label_pdf:
        assert "Germany" in text
        assert LONGEST_SHIPMENT in text
    else:
        assert "株式会社" in text
        assert f"Shipment {LONGEST_SHIPMENT} " in text


def test_same_paper_gives_same_bytes() -> None:
    for render in OF_A_SHIPMENT:
        assert render(shipment_of()) == render(shipment_of())
    assert return_label_pdf(return_of()) == return_label_pdf(return_of())


def test_address_of_an_order_is_printed_for_an_envelope() -> None:
    """In the order of its country."""
    given: dict[str, Any] = {"name": "Acme", "street": "1 Main St", "city": "Austin"}
    address = Address(**given, region="TX", postal_code="78701", country="US")
    assert PaperAddress.of(address, address.name) == PaperAddress(
        name="Acme", lines=("1 Main St", "Austin, TX 78701"), country="US"
    )
