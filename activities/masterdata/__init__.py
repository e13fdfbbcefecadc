"""Master data: company, locations, products, suppliers and customers."""
