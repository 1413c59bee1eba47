"""What a git command may see and do: settings and environment, written from scratch.

Rule R7: whatever the caller's environment, the user's and the system's configuration,
or the repository's own hooks say, none of it has a part. Pure; nothing runs here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gitops import process
from gitops.process import Limits

LOCAL_LIMITS: Final = Limits(timeout_s=120, output_bytes=512 << 20)
REMOTE_LIMITS: Final = Limits(timeout_s=600, output_bytes=64 << 20)
_EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_NOWHERE: Final = "/nonexistent"  # a HOME that has nothing to read

_SETTINGS: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.alternateRefsCommand=true",  # the program that does nothing
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.useReplaceRefs=false",
    "core.commitGraph=false",
    "core.quotePath=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.filesRefLockTimeout=2000",
    "core.packedRefsTimeout=2000",
    "protocol.ext.allow=never",
    "safe.bareRepository=explicit",
    "transfer.fsckObjects=true",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "credential.helper=",
    "http.followRedirects=false",
    "advice.graftFileDeprecated=false",  # our own GIT_GRAFT_FILE brings it up
    "commit.gpgSign=false",
    "push.gpgSign=false",
    "log.showSignature=false",
    "gpg.program=false",
    "gpg.ssh.program=false",
    "gpg.x509.program=false",
    "i18n.logOutputEncoding=UTF-8",
    "color.ui=false",
    "merge.directoryRenames=false",
    f"attr.tree={_EMPTY_TREE}",  # newer gits read attributes of HEAD in bare ones
)

_ENVIRONMENT: Final = {
    "PATH": process.SYSTEM_PATH,
    "HOME": _NOWHERE,
    "XDG_CONFIG_HOME": _NOWHERE,
    "LC_ALL": "C",
    "TZ": "UTC",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes",
    "GIT_SSH_VARIANT": "ssh",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_HTTP_LOW_SPEED_LIMIT": "1024",
    "GIT_HTTP_LOW_SPEED_TIME": "30",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """What one git command may see and do.

    Attributes:
        git_dir: the repository; None lets git find it in cwd, and nowhere above.
        cwd: where it runs; "/" where that does not matter.
        work_tree: the checkout; None for bare repositories.
        protocol: the only transport that it may use.
        limits: see Limits.
        more: more words before the subcommand.
        variables: more variables of its environment.
        hidden: values that are never shown.
    """

    git_dir: Path | None = None
    cwd: Path = Path("/")
    work_tree: Path | None = None
    protocol: str = "none"
    limits: Limits = LOCAL_LIMITS
    more: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)

    @property
    def flags(self) -> list[str]:
        """The words between `git` and its subcommand."""
        flags = ["--no-pager"]
        if self.git_dir is not None:
            flags.append(f"--git-dir={self.git_dir}")
        if self.work_tree is not None:
            flags.append(f"--work-tree={self.work_tree}")
        else:
            # a person's checkout keeps its links; ours never has any
            flags += ["-c", "core.symlinks=false"]
        for setting in _SETTINGS:
            flags += ["-c", setting]
        return [*flags, *self.more]

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of the command."""
        return {
            **_ENVIRONMENT,
            "GIT_ALLOW_PROTOCOL": self.protocol,
            "GIT_CEILING_DIRECTORIES": str(self.cwd.parent),
            **self.variables,
        }
