"""Ledger: posting of journal entries, and reports of balances, statements and receivables."""
