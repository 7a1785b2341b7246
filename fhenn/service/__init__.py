"""Encrypted inference over HTTP: the service (extra `serve`) and its client (extra `client`)."""

from fhenn.service.remote import RemoteServer

__all__ = ["RemoteServer"]
