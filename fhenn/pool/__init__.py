"""Many samples at once, with the interface of `Server`; and workers, of any kind, for whoever has tasks for them."""

from fhenn.pool.encryption import RayEncryptor
from fhenn.pool.local import LocalPool
from fhenn.pool.ray import RayPool

__all__ = ["LocalPool", "RayEncryptor", "RayPool"]
