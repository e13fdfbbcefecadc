"""Purchasing: purchase orders to suppliers, their goods receipts and invoices."""
