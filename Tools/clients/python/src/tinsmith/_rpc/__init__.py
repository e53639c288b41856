"""Requests and answers over one ZeroMQ socket."""
