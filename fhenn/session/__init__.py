"""The two sides of encrypted inference."""

from fhenn.session.client import Client
from fhenn.session.encryption import Encryptor
from fhenn.session.receipt import Receipt
from fhenn.session.server import Server
from fhenn.session.stream import EncryptedStream, join, messages_in, receipt_of, split

__all__ = ["Client", "EncryptedStream", "Encryptor", "Receipt", "Server", "join", "messages_in", "receipt_of", "split"]
