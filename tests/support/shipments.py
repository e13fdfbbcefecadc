"""Lines and shipments of an order, as its status shows them."""

from tests.support.shop import Document


def units(shown: Document, *names: str) -> list[list[int]]:
    """Return the quantities of these names, line by line."""
    return [[line[name] for name in names] for line in shown["lines"]]


def states(shown: Document) -> list[str]:
    """Return the state of each shipment."""
    return [shipment["state"] for shipment in shown["shipments"]]
