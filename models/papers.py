"""The content of the papers of shipments and returns."""

from datetime import date
from typing import Self

from models.addresses import Postal, printed_lines
from models.base import Payload


class PaperAddress(Payload):
    """An address to print; `lines` are those without name and country."""

    name: str
    lines: tuple[str, ...]
    country: str
    """ISO 3166 alpha-2; its name is printed."""
    lines_above: int = 0
    """How many of the lines stand above the name, as in Japan."""

    @classmethod
    def of(cls, address: Postal, name: str, *more_names: str) -> Self:
        """Arrange an address and its names in the order of its country."""
        lines = printed_lines(address, name, *filter(None, more_names))
        above = lines.index(name)
        del lines[above]
        country = address.country
        return cls(name=name, lines=tuple(lines), country=country, lines_above=above)

    @property
    def all_lines(self) -> tuple[str, ...]:
        """Name and lines, without the country and without empty ones."""
        above = self.lines_above
        return tuple(filter(None, (*self.lines[:above], self.name, *self.lines[above:])))


class PaperContent(Payload):
    """`quantity` units of one SKU."""

    sku: str
    name: str
    quantity: int


class PaperPackage(Payload):
    """One handling unit, with its own label."""

    sscc: str
    """18 digits: see `models.sscc`."""
    kind: str
    """`carton`, `pallet` or `piece`."""
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int
    contents: tuple[PaperContent, ...] = ()


class PaperLine(Payload):
    """A line of the order, with its units ordered, in this shipment and to follow."""

    line_no: int
    sku: str
    name: str
    gtin: str = ""
    ordered: int
    in_shipment: int
    to_follow: int


class ShipmentPaper(Payload):
    """A shipment, for its labels, bill of lading, pick list and packing slip.

    Unknown values, such as the tracking number before booking, are empty and not printed.
    """

    shipment_id: str
    order_id: str
    customer_order_date: date
    customer_reference: str = ""
    """The customer's own reference; empty: none."""
    mode: str
    """`parcel`, `ltl`, `truckload` or `hand_over`."""
    carrier: str = ""
    service: str = ""
    tracking_number: str = ""
    booking_id: str = ""
    """The carrier's number of the booking (PRO number)."""
    ship_from: PaperAddress
    ship_to: PaperAddress
    packages: tuple[PaperPackage, ...]
    lines: tuple[PaperLine, ...]
    freight_class: str | None = None
    location: str
    planned_on: date
    language: str
    """Language of the packing slip, two letters: en or de; others get English."""
    instructions: str = ""
    taken_by: str = ""
    """Name of the person who collected the goods."""

    @property
    def weight_g(self) -> int:
        """Weight of all packages."""
        return sum(package.weight_g for package in self.packages)

    @property
    def units(self) -> int:
        """Units of all SKUs in this shipment."""
        return sum(line.in_shipment for line in self.lines)


class ReturnPaper(Payload):
    """A return, for its label."""

    return_id: str
    order_id: str
    authorised_on: date
    valid_until: date
    from_address: PaperAddress
    to_address: PaperAddress
    lines: tuple[PaperContent, ...]
    language: str
    """Language of the label, two letters: en or de; others get English."""
