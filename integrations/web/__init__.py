"""What other programs call: the guide's operations over HTTP, documents, and eMAG's callbacks."""
