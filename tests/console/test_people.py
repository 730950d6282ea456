"""People of the console in a real browser: made by an admin, logged in, with a password of their own."""

from tests.rigs.browsing import Browsing, browsing
from tests.rigs.servers import Broker, Database

FIRST, OWN = "seven wet umbrellas", "nine dry umbrellas"


async def log_in(at: Browsing, name: str, password: str) -> None:
    """Through the form."""
    await at.go("/login")
    await at.page.get_by_label("User name").fill(name)
    await at.page.get_by_label("Password").fill(password)
    await at.page.get_by_role("button", name="Log in").click()


async def test_an_admin_makes_a_user_who_takes_a_password_of_their_own(broker: Broker, database: Database) -> None:
    """Refused with a reason while it is weak; after the change the old password opens nothing."""
    async with browsing(broker, database) as at:
        await at.go("/access")
        form = at.page.locator("#users form")
        await form.get_by_label("Name").fill("eva")
        await form.get_by_label("First password").fill("abababababab")
        await form.get_by_role("button", name="Create").click()
        await at.page.locator("#users .error", has_text="repeats").wait_for()
        await form.get_by_label("First password").fill(FIRST)
        await form.get_by_role("button", name="Create").click()
        await at.page.locator("#users tbody tr", has_text="eva").wait_for()
        await at.page.get_by_role("button", name="Log out").click()
        await at.page.wait_for_url("**/login")

        await log_in(at, "eva", FIRST)
        await at.page.locator("a.name", has_text="eva · viewer").click()
        await at.page.wait_for_url("**/me")
        for old, new in ((OWN, OWN), (FIRST, OWN)):
            await at.page.get_by_label("Password until now").fill(old)
            await at.page.get_by_label("New password").fill(new)
            await at.page.get_by_role("button", name="Change").click()
            if old == OWN:
                await at.page.locator("#password-error", has_text="not your password").wait_for()
        await at.page.wait_for_url("**/login")
        await log_in(at, "eva", FIRST)
        await at.page.locator("#token-error").wait_for()
        await log_in(at, "eva", OWN)
        await at.page.locator("a.name", has_text="eva · viewer").wait_for()
