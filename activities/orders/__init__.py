"""Orders: their acceptance, recording, promises, cancellation and reading."""
