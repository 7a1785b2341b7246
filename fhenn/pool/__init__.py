"""Many samples at once: workers, as processes of this machine or elsewhere, and what hands them their tasks."""
