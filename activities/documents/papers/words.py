"""The fixed texts of papers: in English and German for customers, others in English only."""

from collections.abc import Mapping
from typing import NamedTuple

from activities.documents.notation import written_language

MODES = {"parcel": "Parcel", "ltl": "LTL", "truckload": "Truckload", "hand_over": "Hand over"}


class PaperWords(NamedTuple):
    """The fixed texts of packing slips and return labels in one language."""

    packing_slip: str
    shipment: str
    order: str
    ordered_on: str
    shipped_on: str
    carrier: str
    tracking_number: str
    taken_by: str
    line_titles: tuple[str, ...]
    total: str
    packages: str
    package_titles: tuple[str, ...]
    kinds: Mapping[str, str]
    return_label: str
    sender: str
    receiver: str
    return_number: str
    authorised_on: str
    valid_until: str
    enclosed: str
    enclose_this: str
    return_titles: tuple[str, ...]


WORDS = {
    "en": PaperWords(
        packing_slip="Packing slip",
        shipment="Shipment",
        order="Order",
        ordered_on="Ordered",
        shipped_on="Date",
        carrier="Carrier",
        tracking_number="Tracking number",
        taken_by="Collected by",
        line_titles=("#", "SKU", "Description", "Ordered", "In this shipment", "To follow"),
        total="Total",
        packages="Packages",
        package_titles=("#", "Kind", "SSCC", "Size in cm", "Units", "Weight in kg"),
        kinds={"carton": "Carton", "pallet": "Pallet", "piece": "Piece"},
        return_label="Return",
        sender="From",
        receiver="To",
        return_number="Return number",
        authorised_on="Authorised",
        valid_until="Valid until",
        enclosed="Returned goods",
        enclose_this="Please put this page in the package and stick the label on the outside.",
        return_titles=("SKU", "Description", "Qty"),
    ),
    "de": PaperWords(
        packing_slip="Lieferschein",
        shipment="Sendung",
        order="Bestellung",
        ordered_on="Bestellt am",
        shipped_on="Datum",
        carrier="Versand durch",
        tracking_number="Sendungsnummer",
        taken_by="Abgeholt von",
        line_titles=("Pos.", "Artikelnr.", "Bezeichnung", "Bestellt", "In dieser Sendung", "Folgt"),
        total="Summe",
        packages="Packstücke",
        package_titles=("Nr.", "Art", "SSCC", "Maße in cm", "Menge", "Gewicht in kg"),
        kinds={"carton": "Karton", "pallet": "Palette", "piece": "Stück"},
        return_label="Rücksendung",
        sender="Absender",
        receiver="Empfänger",
        return_number="Retourennummer",
        authorised_on="Genehmigt am",
        valid_until="Gültig bis",
        enclosed="Zurückgesandte Artikel",
        enclose_this="Bitte legen Sie diese Seite ins Paket und kleben Sie das Etikett außen auf.",
        return_titles=("Artikelnr.", "Bezeichnung", "Menge"),
    ),
}
ENGLISH = WORDS["en"]


def paper_words(language: str) -> PaperWords:
    """Choose the texts; English if the language is not available."""
    return WORDS[written_language(language)]
