"""A faithful eMAG marketplace to run against over HTTP.

It stands on its own: it imports nothing of the project's other packages, so an error in our picture
of eMAG can't confirm itself. Facts about eMAG are cited as "API facts, <section>".
"""
