"""The library: one idea a module, data flows one way (docs/architecture.md)."""
