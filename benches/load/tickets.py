"""Tickets, made and read by Pyramid itself, as Kinto does."""

from pyramid.authentication import AuthTktCookieHelper
from pyramid.request import Request

SECRET = "secret-of-the-benchmark-0123456789"
COOKIE = "kjwt"
# The filter's setting.
TICKET = {"secret": SECRET, "cookieName": COOKIE}
HELPER = AuthTktCookieHelper(SECRET, cookie_name=COOKIE, hashalg="sha512")


def make(user: str) -> str:
    """The value of a field Cookie that Kinto believes for 120 seconds."""
    return HELPER.remember(Request.blank("/"), user)[0][1].partition(";")[0]


def user(cookie: str) -> str:
    """Who a field Cookie with nothing but a ticket is from."""
    return HELPER.identify(Request.blank("/", headers={"Cookie": cookie}))["userid"]
