"""The person in front of an application: opens the page of consent, agrees, and follows the link back."""

import sys
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

TIMEOUT = 20


class Page(HTMLParser):
    """The form of consent, or the link that goes on without one."""

    def __init__(self):
        super().__init__()
        self.link = self.action = None
        self.fields, self.text = {}, ""

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "a" and attributes.get("id") == "continue":
            self.link = attributes["href"]
        elif tag == "form" and self.action is None:
            self.action = attributes.get("action") or ""
        elif tag == "input" and attributes.get("type") == "hidden":
            self.fields[attributes["name"]] = attributes.get("value") or ""
        elif tag == "button" and attributes.get("value") == "allow":
            self.fields[attributes["name"]] = "allow"


class Refused(Exception):
    """There was nothing to agree to."""


def consent(url, name=""):
    """Where the browser is sent, after the person agreed. The page must show `name` as it stands."""
    with httpx2.Client(timeout=TIMEOUT) as browser:
        shown = browser.get(url)
        if shown.is_redirect:
            return shown.headers["location"]
        page = Page()
        page.feed(shown.text)
        if shown.status_code != 200 or name not in page.text:
            raise Refused(f"a page of consent: {shown.status_code} {shown.text}")
        if page.link:
            return page.link
        if page.action is None:
            raise Refused(f"neither a form nor a link: {shown.text}")
        to = urljoin(url, page.action)
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(to))
        headers = {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
        answer = browser.post(to, content=urlencode(page.fields), headers=headers)
        if not answer.is_redirect:
            raise Refused(f"consent: {answer.status_code} {answer.text}")
        return answer.headers["location"]


def visit(url):
    """The same in an application's own callback server, as a browser does."""
    back = consent(url)
    with httpx2.Client(timeout=TIMEOUT) as browser:
        answer = browser.get(back)
    if answer.status_code >= 400:
        raise Refused(f"the application says {answer.status_code} {answer.text}")


if __name__ == "__main__":
    # For the drivers that are not written in Python: prints where the browser is sent.
    print(consent(*sys.argv[1:]))
