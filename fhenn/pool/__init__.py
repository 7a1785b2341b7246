"""Many samples at once, with the interface of `Server`; and workers, of any kind, for whoever has tasks for them."""

from fhenn.pool.local import LocalPool

__all__ = ["LocalPool"]
