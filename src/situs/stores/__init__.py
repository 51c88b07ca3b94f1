"""What is kept? Receipts: append-only, chained, signed segments that anyone can check."""
