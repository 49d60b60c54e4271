"""The steps that flows compose, each over a batch of rows."""
