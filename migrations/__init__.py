"""The database's schema: the ERP's tables where they are missing, our own, and capture."""
