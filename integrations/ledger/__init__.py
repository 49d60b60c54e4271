"""Our own books in the seller's database: states, leases, calls, cursors, the request budget."""
