"""The metadata (XMP) that make a PDF with an embedded e-invoice one of Factur-X.

PDF/A-3 (ISO 19005-3) requires that metadata describe properties of their own. typst writes metadata
and cross-references uncompressed, so they are changed in place.
"""

import re

from activities.documents.typesetting import EINVOICE

_METADATA = re.compile(rb"<</Length (\d+)/Type/Metadata/Subtype/XML>>\nstream\n")
_OFFSET = re.compile(rb"^\d{10}(?= \d{5} n)", re.MULTILINE)
_START = re.compile(rb"(?<=startxref\n)\d+")
_END_OF_SCHEMAS, _END = b"</rdf:Bag></pdfaExtension:schemas>", b"</rdf:RDF>"
_NAMESPACE = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"


def describe_einvoice(pdf: bytes) -> bytes:
    """Describe the embedded e-invoice in the metadata of a PDF made by typst."""
    *_, metadata = _METADATA.finditer(pdf)
    start, end = metadata.end(), metadata.end() + int(metadata[1])
    xmp = pdf[start:end].replace(_END_OF_SCHEMAS, _SCHEMA + _END_OF_SCHEMAS)
    xmp = xmp.replace(_END, _PROPERTIES + _END)
    stream = metadata[0].replace(metadata[1], b"%d" % len(xmp)) + xmp
    added = len(stream) - (end - metadata.start())

    def moved(offset: re.Match[bytes]) -> bytes:
        at = int(offset[0])
        return b"%0*d" % (len(offset[0]), at + added if at > start else at)

    references_at = pdf.rindex(b"\nxref\n")
    references = _START.sub(moved, _OFFSET.sub(moved, pdf[references_at:]))
    return b"".join((pdf[: metadata.start()], stream, pdf[end:references_at], references))


def _described(name: str, description: str) -> str:
    return (
        '<rdf:li rdf:parseType="Resource">'
        "<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{description}</pdfaProperty:description>"
        f"<pdfaProperty:name>{name}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType></rdf:li>"
    )


_DESCRIPTIONS = "".join(
    _described(name, description)
    for name, description in {
        "DocumentFileName": "The name of the embedded XML document",
        "DocumentType": "The type of the hybrid document in capital letters",
        "Version": "The version of the standard that the embedded XML document follows",
        "ConformanceLevel": "The conformance level of the embedded XML document",
    }.items()
)
_SCHEMA = (
    '<rdf:li rdf:parseType="Resource">'
    "<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>"
    f"<pdfaSchema:namespaceURI>{_NAMESPACE}</pdfaSchema:namespaceURI>"
    "<pdfaSchema:prefix>fx</pdfaSchema:prefix>"
    f"<pdfaSchema:property><rdf:Seq>{_DESCRIPTIONS}</rdf:Seq></pdfaSchema:property></rdf:li>"
).encode()
_PROPERTIES = (
    f'<rdf:Description rdf:about="" xmlns:fx="{_NAMESPACE}">'
    "<fx:DocumentType>INVOICE</fx:DocumentType>"
    f"<fx:DocumentFileName>{EINVOICE}</fx:DocumentFileName>"
    "<fx:Version>1.0</fx:Version>"
    "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel></rdf:Description>"
).encode()
