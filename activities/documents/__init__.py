"""Documents as PDF: invoices and credit notes with their e-invoice, and shipping papers.

`bills` renders invoices and credit notes. `wording` decides their content, with the texts of
`words` in the `notation` of the customer's language; `sheet`, `heading`, `goods`, `closing` and
`transfer` draw it. `einvoice` writes it as XML by EN 16931, and `archive` embeds the XML in the
PDF. All documents are drawn on a `page` with the `fonts`, the `letterhead` and `table`s.
"""
