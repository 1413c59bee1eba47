"""From wanted changes to file edits: exact, idempotent, and never half a plan."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gitops.edit import edit
from gitops.errors import (
    GitopsError,
    InputError,
    PlanError,
    TreeError,
    UnknownNameError,
    YamlError,
)
from gitops.layout import target
from gitops.model import (
    Change,
    Difference,
    Entry,
    FileEdit,
    Mode,
    RemoveFile,
    Revision,
    SetConfig,
    SetImage,
    SetRevision,
    Tree,
    UnsetConfig,
    WriteFile,
    blob_id,
)
from gitops.overlay import read_overlay
from tests.support.building import build
from tests.support.overlays import (
    IMAGE,
    NEW_DIGEST,
    OLD_DIGEST,
    fleet,
    kustomization,
)
from tests.support.trees import tree

ACME = target("acme", "production")
BETA = target("beta", "production")
KUSTOMIZATION = "overlays/production/acme/kustomization.yaml"
CONFIG = "overlays/production/acme/config.env"
FILES = {
    KUSTOMIZATION: kustomization(),
    CONFIG: "# settings\nPUBLIC_URL=https://a.example.com\nLEVEL=info\n",
    "overlays/production/beta/kustomization.yaml": kustomization("12.0.0"),
    "base/kustomization.yaml": "resources: []\n",
}


def revision(tag: str, digest: str | None = None, *, image: str = IMAGE) -> SetRevision:
    return SetRevision(
        target=ACME, revision=Revision(image=image, tag=tag, digest=digest)
    )


def setting(key: str, value: str) -> SetConfig:
    return SetConfig(target=ACME, key=key, value=value)


def edited(*changes: Change, files: dict[str, str] = FILES) -> tuple[FileEdit, ...]:
    return edit(tree(files), fleet(), changes)


def after(*changes: Change, files: dict[str, str] = FILES) -> dict[str, str | None]:
    return {
        made.path: None if made.after is None else made.after.decode()
        for made in edited(*changes, files=files)
    }


# --- revisions ---


def test_a_bump_changes_one_line_of_one_file() -> None:
    (made,) = edited(revision("12.4.0"))

    assert made == FileEdit(
        path=KUSTOMIZATION,
        before=kustomization().encode(),
        after=kustomization("12.4.0").encode(),
        differences=(
            Difference(
                path=KUSTOMIZATION,
                field=f"images[{IMAGE}].newTag",
                before="11.1.0",
                after="12.4.0",
            ),
        ),
    )


def test_a_known_digest_comes_with_the_tag_and_an_unknown_one_goes() -> None:
    pinned = kustomization("12.4.0", more=f"  digest: {NEW_DIGEST}\n")

    assert after(revision("12.4.0", NEW_DIGEST)) == {KUSTOMIZATION: pinned}
    assert after(revision("11.1.0"), files={**FILES, KUSTOMIZATION: pinned}) == {
        KUSTOMIZATION: kustomization()
    }


def test_what_the_edit_writes_is_what_the_overlay_then_says() -> None:
    wanted = Revision(image=IMAGE, tag="11.10", digest=OLD_DIGEST)
    before = tree(FILES)

    made = edit(before, fleet(), [SetRevision(target=ACME, revision=wanted)])

    now = before.with_edits(made)
    assert read_overlay(now, fleet(), ACME).revision == wanted
    assert read_overlay(now, fleet(), BETA).revision.tag == "12.0.0"


@pytest.mark.kustomize
@pytest.mark.parametrize("tag", ["12.4.0", "11.10", "1e3", "on"])
@pytest.mark.parametrize("digest", [None, NEW_DIGEST])
def test_what_the_edit_writes_is_what_kustomize_renders(
    kustomize: Path, tmp_path: Path, tag: str, digest: str | None
) -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
        f"spec: {{containers: [{{name: c, image: '{IMAGE}:old'}}]}}\n"
    )
    text = kustomization(more=f"  digest: {OLD_DIGEST}\n")
    files = {KUSTOMIZATION: text.replace("../../../base", "pod.yaml")}

    (made,) = edit(tree(files), fleet(), [revision(tag, digest)])

    assert made.after is not None
    rendered = build(
        kustomize, tmp_path, {"pod.yaml": pod, "kustomization.yaml": made.after}
    )
    (container,) = yaml.safe_load(rendered)["spec"]["containers"]
    assert container["image"] == str(Revision(image=IMAGE, tag=tag, digest=digest))


def test_another_image_than_the_stacks_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        edited(revision("12.4.0", image="elsewhere/directus"))

    assert "the plan names image elsewhere/directus" in caught.value.message
    assert IMAGE in caught.value.message
    assert "gitops.yaml" in caught.value.hint


# --- other images ---

EXTENSIONS = "acme/extensions"


def beside(more: str = "", *, name: str = EXTENSIONS) -> dict[str, str]:
    entry = f"- name: {name}\n  newTag: 1.0.0  # theirs\n{more}"
    return {**FILES, KUSTOMIZATION: kustomization(more=entry)}


def image(tag: str, digest: str | None = None, *, of: str = EXTENSIONS) -> SetImage:
    wanted = Revision(image=of, tag=tag, digest=digest)
    return SetImage(target=ACME, name=EXTENSIONS, revision=wanted)


def test_another_image_is_set_and_nothing_else_moves() -> None:
    files = beside()
    (text,) = after(image("2.0.0"), files=files).values()
    assert text == files[KUSTOMIZATION].replace("1.0.0  # theirs", "2.0.0  # theirs")
    (text,) = after(image("1.0.0", NEW_DIGEST), files=files).values()
    assert text is not None
    assert f"1.0.0  # theirs\n  digest: {NEW_DIGEST}\n" in text
    assert after(image("1.0.0"), files=files) == {}


def test_the_registry_of_another_image_stays_the_overlays_own() -> None:
    mirror = "mirror.example.com/extensions"
    files = beside(f"  newName: {mirror}\n")
    (text,) = after(image("2.0.0", of=mirror), files=files).values()
    assert text == files[KUSTOMIZATION].replace("1.0.0  # theirs", "2.0.0  # theirs")


def test_a_revision_and_another_image_are_one_edit() -> None:
    (made,) = edited(revision("12.4.1"), image("2.0.0"), files=beside())
    assert {d.after for d in made.differences} == {"12.4.1", "2.0.0"}


@pytest.mark.parametrize(
    ("files", "has"),
    [
        (FILES, "has no such entry"),
        (beside("  newName: elsewhere/extensions\n"), "runs elsewhere/extensions"),
    ],
)
def test_an_image_that_is_not_as_planned_is_refused(
    files: dict[str, str], has: str
) -> None:
    with pytest.raises(PlanError) as caught:
        edited(revision("12.4.1"), image("2.0.0"), files=files)
    assert has in caught.value.message


# --- configuration ---


def test_a_setting_is_changed_added_and_removed_in_one_edit() -> None:
    (made,) = edited(
        setting("LEVEL", "debug"),
        setting("NEW", "a=b # c"),
        UnsetConfig(target=ACME, key="PUBLIC_URL"),
    )

    assert made.path == CONFIG
    assert made.after == b"# settings\nLEVEL=debug\nNEW=a=b # c\n"
    assert [(d.field, d.before, d.after) for d in made.differences] == [
        ("LEVEL", "info", "debug"),
        ("NEW", None, "a=b # c"),
        ("PUBLIC_URL", "https://a.example.com", None),
    ]


def test_a_missing_config_file_is_refused_with_the_way_out() -> None:
    change = SetConfig(target=BETA, key="A", value="1")

    with pytest.raises(PlanError) as caught:
        edited(change)

    assert caught.value.message.startswith("overlays/production/beta/config.env")
    assert "configMapGenerator" in caught.value.hint
    assert edited(UnsetConfig(target=BETA, key="A")) == ()


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\0"])
def test_a_value_with_a_line_break_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="line break"):
        edited(setting("A", value))


def test_a_broken_config_file_is_refused_with_its_line() -> None:
    files = {**FILES, CONFIG: "A=1\nBROKEN\n"}

    with pytest.raises(YamlError, match=f"^{CONFIG}:2: "):
        edited(setting("A", "2"), files=files)


# --- nothing to do ---


@pytest.mark.parametrize(
    "change",
    [
        revision("11.1.0"),
        setting("LEVEL", "info"),
        UnsetConfig(target=ACME, key="MISSING"),
        WriteFile(path="base/kustomization.yaml", content=b"resources: []\n"),
        RemoveFile(path="base/missing.yaml"),
    ],
    ids=lambda change: type(change).__name__,
)
def test_what_is_already_so_makes_no_edit(change: Change) -> None:
    assert edited(change) == ()


def test_the_same_changes_again_make_no_edit() -> None:
    changes: list[Change] = [
        revision("11.10", NEW_DIGEST),
        setting("NEW", ""),
        UnsetConfig(target=ACME, key="LEVEL"),
        WriteFile(path="base/new.yaml", content=b"a: b\n"),
        RemoveFile(path="base/kustomization.yaml"),
    ]
    now = tree(FILES).with_edits(edited(*changes))

    assert edit(now, fleet(), changes) == ()


def test_changes_that_cancel_out_make_no_edit() -> None:
    assert edited(revision("12.4.0"), revision("11.1.0")) == ()
    assert edited(setting("NEW", "1"), UnsetConfig(target=ACME, key="NEW")) == ()
    write = WriteFile(path="new", content=b"")
    assert edited(write, RemoveFile(path="new")) == ()


def test_the_last_of_several_wishes_wins_and_is_told_from_the_beginning() -> None:
    (made,) = edited(
        revision("12.0.0", NEW_DIGEST), setting("LEVEL", "info"), revision("12.4.0")
    )

    assert made.after == kustomization("12.4.0").encode()
    assert [(d.before, d.after) for d in made.differences] == [("11.1.0", "12.4.0")]


def test_no_changes_make_no_edit() -> None:
    assert edited() == ()


# --- whole files ---


def test_files_are_written_and_removed_in_the_order_of_their_paths() -> None:
    made = edited(
        WriteFile(path="z/run.sh", content=b"#!\n", mode=Mode.EXECUTABLE),
        WriteFile(path="base/kustomization.yaml", content=b"new\n"),
        RemoveFile(path=CONFIG),
    )

    assert [e.path for e in made] == ["base/kustomization.yaml", CONFIG, "z/run.sh"]
    assert [e.mode for e in made] == [Mode.FILE, Mode.FILE, Mode.EXECUTABLE]
    assert [e.before for e in made] == [
        b"resources: []\n",
        FILES[CONFIG].encode(),
        None,
    ]
    assert [e.after for e in made] == [b"new\n", None, b"#!\n"]
    assert [e.differences for e in made] == [(), (), ()]


def test_a_new_overlay_may_be_changed_in_the_same_plan() -> None:
    new = "overlays/production/gamma/kustomization.yaml"
    change = SetRevision(
        target=target("gamma", "production"),
        revision=Revision(image=IMAGE, tag="12.4.0"),
    )

    made = after(WriteFile(path=new, content=kustomization().encode()), change)

    assert made == {new: kustomization("12.4.0")}


def test_only_the_mode_may_change() -> None:
    (made,) = edited(
        WriteFile(
            path="base/kustomization.yaml",
            content=b"resources: []\n",
            mode=Mode.EXECUTABLE,
        )
    )

    assert made.before == made.after
    assert made.mode is Mode.EXECUTABLE


def test_an_executable_kustomization_stays_executable() -> None:
    plain = tree(FILES)
    entry = Entry(Mode.EXECUTABLE, plain.entries[KUSTOMIZATION].blob)
    entries = {**plain.entries, KUSTOMIZATION: entry}
    before = Tree(commit=None, entries=entries, blobs=plain.blobs)

    (made,) = edit(before, fleet(), [revision("12.4.0")])

    assert made.mode is Mode.EXECUTABLE


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/passwd", ".git/config", "a/../../b", ".github/workflows/x", "a//b"],
)
def test_a_path_that_leaves_the_repository_is_refused(path: str) -> None:
    with pytest.raises(TreeError, match="not a path"):
        edited(WriteFile(path=path, content=b""))


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("base/kustomization.yaml/x", "base/kustomization.yaml is not a folder"),
        ("overlays/production", "is a folder"),
        ("link/x", "link is not a folder"),
        ("link", "is a symlink"),
        ("module", "is a submodule"),
        ("module/x/y", "module is not a folder"),
    ],
)
def test_a_file_in_the_place_of_something_else_is_refused(
    path: str, problem: str
) -> None:
    with pytest.raises(TreeError, match=problem):
        edit(with_pointers(), fleet(), [WriteFile(path=path, content=b"")])


@pytest.mark.parametrize("path", ["link", "module"])
def test_a_symlink_or_submodule_is_not_removed(path: str) -> None:
    with pytest.raises(TreeError, match="only plain files"):
        edit(with_pointers(), fleet(), [RemoveFile(path=path)])


def test_a_symlink_is_not_written() -> None:
    with pytest.raises(PlanError, match="only plain files are written, not 120000"):
        edited(WriteFile(path="x", content=b"/etc/passwd", mode=Mode.SYMLINK))


def with_pointers() -> Tree:
    plain = tree(FILES)
    blob = blob_id(b"../outside")
    pointers = {
        "link": Entry(Mode.SYMLINK, blob),
        "module": Entry(Mode.SUBMODULE, blob),
    }
    return Tree(commit=None, entries={**plain.entries, **pointers}, blobs=plain.blobs)


# --- all or nothing ---


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (UnsetConfig(target=target("x", "production"), key="A"), UnknownNameError),
        (UnsetConfig(target=target("acme", "moon"), key="A"), UnknownNameError),
        (revision("not a tag"), InputError),
        (revision("12.4.0", "sha256:short"), InputError),
        (setting("NOT A KEY", "1"), InputError),
    ],
    ids=["stack", "environment", "tag", "digest", "key"],
)
def test_one_bad_change_leaves_the_whole_plan_unmade(
    change: Change, error: type[GitopsError]
) -> None:
    before = tree(FILES)
    entries = dict(before.entries)

    with pytest.raises(error):
        edit(before, fleet(), [revision("12.4.0"), change])

    assert before.entries == entries
    assert before.read(KUSTOMIZATION) == kustomization().encode()


def test_many_overlays_are_edited_in_one_call() -> None:
    files = {
        f"overlays/production/stack-{n:03}/kustomization.yaml": kustomization()
        for n in range(200)
    }
    changes = [
        SetRevision(
            target=target(f"stack-{n:03}", "production"),
            revision=Revision(image=IMAGE, tag="12.4.0"),
        )
        for n in range(200)
    ]

    made = edit(tree(files), fleet(), changes)

    assert [e.path for e in made] == sorted(files)
    assert {e.after for e in made} == {kustomization("12.4.0").encode()}
