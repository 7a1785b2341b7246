"""The two sides of encrypted inference."""

from fhenn.session.client import Client
from fhenn.session.receipt import Receipt
from fhenn.session.server import Server

__all__ = ["Client", "Receipt", "Server"]
