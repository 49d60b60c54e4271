"""The eMAG marketplace: accounts, routes, wire models, status matrices, verdicts and the client."""
