"""The checks: each a pure function, model -> findings, in a small module per family. `registry.ALL` lists them."""
