from tests.conftest import make_workspace
from tests.dashboard.conftest import SignIn
from workspaces.models import Member, User, Workspace


def test_it_works(sign_in: SignIn, viewer: User, workspace: Workspace) -> None:
    other = make_workspace("Zebra")
    Member.objects.create(workspace=other, user=viewer, role="admin")
    browser = sign_in(viewer)
    page = browser.get("/").content.decode()
    assert "Switch workspace" in page
    assert "/apikeys" not in page
    response = browser.post("/workspace", {"workspace": other.pk}, follow=True)
    page = response.content.decode()
    assert "this one is Zebra" in page
    assert "/apikeys" in page  # the role is the one held there


def test_with_one_workspace_there_is_no_switch(sign_in: SignIn, viewer: User) -> None:
    assert "Switch workspace" not in sign_in(viewer).get("/").content.decode()


def test_outsider_gets_404(
    sign_in: SignIn, outsider: User, workspace: Workspace
) -> None:
    browser = sign_in(outsider)
    for wanted in (workspace.pk, 2**70, "x", ""):
        response = browser.post("/workspace", {"workspace": wanted})
        assert response.status_code == 404
    assert workspace.name not in browser.get("/").content.decode()


def test_a_session_outlives_the_membership_by_nothing(
    sign_in: SignIn, viewer: User, workspace: Workspace
) -> None:
    browser = sign_in(viewer)
    browser.post("/workspace", {"workspace": workspace.pk})
    viewer.memberships.get().leave()
    assert browser.get("/").status_code == 403
