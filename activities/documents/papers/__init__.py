"""Papers of shipments and returns as PDF; the same paper gives the same bytes.

A shipment has `label`, `bill_of_lading`, `pick_list` and `packing_slip`, a return has its
`return_label`. Papers on A4 are drawn on a `sheet`; `blocks` are shared parts, `words` the fixed
texts.
"""
