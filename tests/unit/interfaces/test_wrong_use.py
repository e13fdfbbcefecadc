"""Wrong use of the command line: exit status 2 and a reason, before the database is opened."""

import json
import sys

import pytest

import starter

CASES = [
    (["stock", "adjust", "S", "BER", "1"], "--reason"),
    (["stock", "adjust", "S", "BER", "many", "--reason", "x"], "'by'"),
    (["stock", "adjust", "S", "BER", "1", "--reason", "x", "--colour", "red"], "--colour"),
    (["stock", "S", "BER"], "BER"),
    (["po", "ack", "PO", "--line", "S"], "SKU=UNITS"),
    (["po", "ack", "PO", "--date", "soon"], "soon"),
    (["po", "close", "PO"], "--reason"),
    (["shipment", "event", "SH", "vanished"], "vanished"),
    (["shipment", "event", "SH", "lost", "--at", "soon"], "soon"),
    (["shipment", "label", "SH"], "--out"),
    (["shipments", "--state", "nowhere"], "nowhere"),
    (["purchase-orders", "--state", "nowhere"], "nowhere"),
]


@pytest.mark.parametrize(("words", "detail"), CASES, ids=lambda words: " ".join(words))
def test_missing_or_invalid_words_are_wrong_use(
    words: list[str],
    detail: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The JSON problem names the word."""
    monkeypatch.setattr(sys, "argv", ["starter.py", *words, "--json"])
    assert starter.main() == 2
    assert detail in json.loads(capsys.readouterr().out)["detail"]
