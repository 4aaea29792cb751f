"""Go's encoding/json, as far as plugins use it, and a test that it equals a real Go program."""
