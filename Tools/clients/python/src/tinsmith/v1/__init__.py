"""Messages of the wire, generated from the schema by generate.py."""
