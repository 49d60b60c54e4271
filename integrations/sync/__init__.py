"""The spine: how one change of the ERP reaches eMAG."""
