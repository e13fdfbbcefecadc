"""The partners of the demo and the tests: payments, suppliers, carriers and a mail sink."""
