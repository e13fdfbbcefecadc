"""Subscriptions: which addresses are allowed, what answers mean, and which secrets sign."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.gateways.receivers import Receivers
from models.errors import InvalidInput
from models.events import Event, EventData
from models.subscriptions import (
    SubscriptionDocument,
    Verdict,
    check_subscription,
    is_public,
    new_secret,
    signing_secrets,
    verdict,
)

NOW = datetime(2026, 7, 6, 12, tzinfo=UTC)
EVENT = Event(
    id="1",
    type="order.recorded",
    subject="R-1",
    time=NOW,
    data=EventData(order_id="R-1", entry_no=1, detail="", actor="", source="", reason=""),
)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1"),
        *("2002:0a00:0001::", "::", "ff02::1"),
    ],
)
def test_private_addresses_are_not_public(address: str) -> None:
    """Also within IPv6."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://shop.example/events", "must begin with https://"),
        ("https://127.0.0.1/events", "private network"),
        ("https://[::1]:8443/", "private network"),
        ("https://", "is not an address"),
        ("https://shop.example:port/", "is not an address"),
        ("https://shop.example/a b", "is not an address"),
        ("shop.example", "is not an address"),
        ("https://ann:secret@shop.example/", "name or password"),
    ],
)
def test_address_is_refused_with_its_reason(url: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_subscription(SubscriptionDocument(url=url), private=False)
    [error] = refused.value.fields
    assert error.field == "url"
    assert reason in error.reason


def test_private_address_is_allowed_by_configuration() -> None:
    check_subscription(SubscriptionDocument(url="http://127.0.0.1:8000/"), private=True)
    check_subscription(SubscriptionDocument(url="https://shop.example"), private=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1"])
async def test_name_that_leads_to_a_private_address_is_not_connected(host: str) -> None:
    """Names are resolved when they are used: they may have changed."""
    receivers = Receivers(private=False)
    answer = await receivers.post(f"https://{host}:9/", EVENT, [new_secret()], NOW)
    await receivers.close()
    assert answer.verdict is Verdict.FAILED
    assert "private network" in answer.reason


async def test_number_instead_of_an_address_is_not_connected() -> None:
    """It is another way to write 127.0.0.1."""
    receivers = Receivers(private=False)
    answer = await receivers.post("https://2130706433:9/", EVENT, [new_secret()], NOW)
    await receivers.close()
    assert answer.verdict is Verdict.FAILED
    assert "not a canonical IPv4 address" in answer.reason


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((200, Verdict.DELIVERED), (204, Verdict.DELIVERED), (410, Verdict.GONE)),
        *((400, Verdict.REFUSED), (422, Verdict.REFUSED), (404, Verdict.FAILED)),
        *((302, Verdict.FAILED), (429, Verdict.FAILED), (503, Verdict.FAILED)),
    ],
)
def test_answers_of_receivers(status: int, expected: Verdict) -> None:
    assert verdict(status) is expected


def test_old_secret_signs_for_a_day() -> None:
    until = NOW + timedelta(hours=24)
    assert signing_secrets("new", "old", until, NOW) == ["new", "old"]
    assert signing_secrets("new", "old", until, until) == ["new"]
    assert signing_secrets("new", None, None, NOW) == ["new"]
