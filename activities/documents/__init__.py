"""Bills as PDF for people and as XML for programs, in one file.

`bills` renders invoices and credit notes. `wording` says what a bill says, in `words` and
`notation`; `sheet`, `heading`, `goods`, `closing` and `transfer` draw it; `einvoice` writes it as
EN 16931 wants it, and `archive` puts that into the PDF.

Every document is drawn on a `page` in our `fonts`, with its `letterhead` and `table`s.
"""
