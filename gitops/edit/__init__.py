"""EDIT: a tree and the changes wanted -> the files as they must become. Pure.

Promise: a change touches the bytes of its own scalars and no other, which is proved
before anything is returned; what is already so produces nothing, so the same plan
twice gives one edit. It must not decide what is wanted, and it writes nowhere.

    images      one images: entry of any kustomization
    draft       a plan's changes, file by file
"""

from gitops.edit.draft import edit
from gitops.edit.images import set_image_tag

__all__ = ["edit", "set_image_tag"]
