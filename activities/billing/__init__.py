"""Billing: invoices, payments, refunds, reminders, and their undoing."""
