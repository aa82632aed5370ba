"""What a key allows, valid project names, and how one Deployment differs from another."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from runwright.domain import projects
from runwright.domain.ids import WorkspaceId, new_key_id
from runwright.domain.projects import (
    Api,
    ApiKey,
    Difference,
    Manifest,
    ProjectSettings,
    Requirements,
    Scope,
)


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ({Scope.READ}, {Scope.READ}),
        ({Scope.RUN, Scope.DEPLOY}, {Scope.RUN, Scope.DEPLOY}),
        ({Scope.ADMIN}, set(Scope)),
        (set[Scope](), set[Scope]()),
    ],
)
def test_a_key_allows_its_scopes_and_an_admin_s_allows_all(
    scopes: set[Scope], allowed: set[Scope]
) -> None:
    key = ApiKey(
        id=new_key_id(),
        workspace_id=WorkspaceId(uuid4()),
        name="k",
        scopes=frozenset(scopes),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        revoked_at=None,
    )

    assert {scope for scope in Scope if key.allows(scope)} == allowed


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("a", True), ("A.b_c-9", True), ("a" * 100, True), ("a" * 101, False), ("", False),
     ("-a", False), (".a", False), ("a/b", False), ("a\n", False), ("é", False)],
)  # fmt: skip
def test_what_a_project_may_be_called(name: str, is_one: bool) -> None:
    assert projects.is_project_name(name) is is_one


def test_a_difference_names_what_came_what_went_and_what_changed() -> None:
    before = Manifest(
        apis=(
            Api(name="same", parameters_schema={"type": "object"}, description="old"),
            Api(name="takes", parameters_schema={"type": "object"}),
            Api(name="gives", result_schema={"type": "object"}),
            Api(name="gone"),
        ),
        settings=ProjectSettings(headful=True),
        requirements=Requirements(packages=("b==1", "a==1", "kept")),
    )
    after = Manifest(
        apis=(
            Api(name="new"),
            Api(name="gives", result_schema={"type": "array"}),
            Api(name="takes"),
            Api(name="same", parameters_schema={"type": "object"}, description="new"),
        ),
        requirements=Requirements(packages=("kept", "c==1")),
    )

    found = projects.difference(before, after)

    assert found == Difference(
        added=("new",),
        removed=("gone",),
        changed=("gives", "takes"),
        settings={"headful": (True, False)},
        packages=(("a==1", "b==1"), ("c==1",)),
    )
    assert after.api("takes") is after.apis[2]
    assert after.api("gone") is None
