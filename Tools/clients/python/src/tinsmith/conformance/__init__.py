"""Executes the conformance scenario: what every client of the wire must do, as data.

    python -m tinsmith.conformance ENDPOINT SCENARIO.JSON

It works on frames, below the clients of this package, because it also sends what they never would.
"""
