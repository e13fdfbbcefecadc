"""The papers of a shipment and of a return as PDF: the same paper gives the same bytes.

`label`, `bill_of_lading`, `pick_list` and `packing_slip` are of a shipment, `return_label` is of a
return; `sheet` is what those on A4 are drawn on, `blocks` are parts that they share, and `words`
what they say to customers.
"""
