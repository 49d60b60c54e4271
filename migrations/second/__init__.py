"""What revision 0002 is made of: what is known of eMAG, and what its news brought."""
