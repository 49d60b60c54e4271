"""The seller's database: its tables, and what a row of them asks of eMAG."""
