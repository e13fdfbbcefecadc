"""Documents as PDF: invoices and credit notes with their e-invoice, and papers.

`bills` and `papers` collect the content of a document in the words of `templates/words.json` and
the `notation` of its language, and `typesetting` compiles a template with it. `wording` decides the
content of bills, `einvoice` writes it as XML by EN 16931, and `factur_x` describes the embedded XML
in the metadata of the PDF.
"""
