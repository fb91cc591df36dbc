"""A signed-in person archives, restores and deletes a list; each harmful step asks for confirmation."""

from typing import Any

import pytest

from tests.browser.conftest import name_of, save_screenshot, sign_in
from tests.support.server import ApiClient


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (320, False), (320, True)])
def test_a_list_is_archived_restored_and_deleted(api: ApiClient, visit: Any, width: int, dark: bool) -> None:
    name, suffix = name_of(api), f"{width}-{'dark' if dark else 'light'}"
    looks = {"viewport": {"width": width, "height": 900}, "color_scheme": "dark" if dark else "light"}
    page = visit(api, **looks)
    sign_in(page, api)
    save_screenshot(page, f"list-{suffix}")
    page.click("button:text-is('Archive')")
    page.click("dialog >> text=Cancel")
    assert "archived" not in api("/get").json()
    page.click("button:text-is('Archive')")
    page.click("dialog [value=yes]")
    page.wait_for_selector(".notice >> text=This list is archived")
    assert api("/get").json()["archived"]
    assert page.locator("button:text-is('Pause')").count() == 0
    save_screenshot(page, f"list-archived-{suffix}")
    overview = visit(api, live=False, **looks)
    overview.goto(f"{api.url}/get?archived=1")
    assert overview.locator(f"a:text-is('{name}')").count() == 1
    save_screenshot(overview, f"lists-archived-{suffix}")
    page.click("button:text-is('Restore')")
    page.wait_for_selector(".notice >> text=Restored")
    page.click("button:text-is('Delete list')")
    assert f"Delete {name} with its 60 jobs" in page.inner_text("dialog")
    save_screenshot(page, f"list-delete-{suffix}")
    page.click("dialog [value=yes]")
    page.wait_for_selector(f".notice >> text=The list {name} was deleted.")
    assert api("/get").status_code == 410
