"""Go's encoding/json, as far as plugins use it: what a Go program reads out of a text, and proof that it does."""
