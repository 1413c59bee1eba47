"""The library: one idea a module, data flows one way (docs/architecture.md).

The names here are the front door for programs that hold names as plain text.
"""

from gitops.layout import branch_name, environment_name, stack_name, target

__all__ = ["branch_name", "environment_name", "stack_name", "target"]
