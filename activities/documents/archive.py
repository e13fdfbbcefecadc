"""The embedded XML and the metadata that make the PDF of a bill an e-invoice (Factur-X).

PDF/A-3b (ISO 19005-3) requires that the metadata (XMP) describe their own properties.
"""

from datetime import UTC, datetime, time
from xml.sax.saxutils import escape

from fpdf import FPDF

from activities.documents.einvoice import einvoice_xml, writable
from activities.documents.wording import AnyBill, title_of

_FILE = "factur-x.xml"


def enclose_einvoice(pdf: FPDF, bill: AnyBill) -> None:
    """Embed the bill as XML in its PDF and write the metadata, dated as the bill."""
    issued_at = datetime.combine(bill.issued_on, time(), UTC)
    pdf.embed_file(
        bytes=einvoice_xml(bill),
        basename=_FILE,
        desc=title_of(bill),
        mime_type="text/xml",
        associated_file_relationship="Alternative",
        creation_date=issued_at,
        modification_date=issued_at,
        compress=True,
        checksum=True,
    )
    pdf.set_xmp_metadata(
        _XMP.format(
            title=escape(writable(title_of(bill))),
            author=escape(writable(bill.seller.name)),
            at=issued_at.isoformat(),
            file=_FILE,
        )
    )


_PROPERTIES = "".join(
    f"""
      <rdf:li rdf:parseType="Resource">
       <pdfaProperty:name>{name}</pdfaProperty:name>
       <pdfaProperty:valueType>Text</pdfaProperty:valueType>
       <pdfaProperty:category>external</pdfaProperty:category>
       <pdfaProperty:description>{description}</pdfaProperty:description>
      </rdf:li>"""
    for name, description in (
        ("DocumentFileName", "The name of the embedded XML document"),
        ("DocumentType", "The type of the hybrid document in capital letters"),
        ("Version", "The version of the standard that the embedded XML document follows"),
        ("ConformanceLevel", "The conformance level of the embedded XML document"),
    )
)

_XMP = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
   <pdfaid:part>3</pdfaid:part>
   <pdfaid:conformance>B</pdfaid:conformance>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{{title}}</rdf:li></rdf:Alt></dc:title>
   <dc:creator><rdf:Seq><rdf:li>{{author}}</rdf:li></rdf:Seq></dc:creator>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
   <xmp:CreateDate>{{at}}</xmp:CreateDate>
   <xmp:ModifyDate>{{at}}</xmp:ModifyDate>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
    xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
    xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
   <pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
     <pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>
     <pdfaSchema:namespaceURI>urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#</pdfaSchema:namespaceURI>
     <pdfaSchema:prefix>fx</pdfaSchema:prefix>
     <pdfaSchema:property><rdf:Seq>{_PROPERTIES}
     </rdf:Seq></pdfaSchema:property>
   </rdf:li></rdf:Bag></pdfaExtension:schemas>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#">
   <fx:DocumentType>INVOICE</fx:DocumentType>
   <fx:DocumentFileName>{{file}}</fx:DocumentFileName>
   <fx:Version>1.0</fx:Version>
   <fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""
